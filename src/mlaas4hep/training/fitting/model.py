"""The user's model file: run, asked for its model, and given the columns that the model takes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from mlaas4hep.config.sections.training import Training
from mlaas4hep.features.normalisation import LayoutChoice
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.training.backends import backend_for, backends
from mlaas4hep.training.backends.base import Backend
from mlaas4hep.training.user_code.imports import importing
from mlaas4hep.training.user_code.model_source import convolves, frameworks_wanted
from mlaas4hep.training.user_code.tensorflow_start import quiet_tensorflow, without_onednn
from mlaas4hep.training.user_code.user_model import build_model, load_model_file

__all__ = ["Untrained", "build", "load_user_module"]


@dataclass(frozen=True, eq=False)
class Untrained:
    """The user's model before the training.

    Attributes:
        model: as ``model()`` returned it.
        backend: of its framework.
        module: the namespace of the user's file.
        choice: the feature columns it gets.
    """

    model: Any
    backend: Backend
    module: ModuleType
    choice: LayoutChoice


def load_user_module(training: Training, warn: Callable[[str], None]) -> ModuleType:
    """Run the user's file, with numpy's and Python's random numbers seeded; then seed the frameworks it wants.

    Raises:
        ModelFileError: the file is at fault.
        FrameworkMissingError: a framework is not installed.
    """
    wanted = frameworks_wanted(training.model) if training.model.is_file() else set()
    if "keras" in wanted and convolves(training.model):
        without_onednn()
    random.seed(training.seed)
    np.random.seed(training.seed)  # noqa: NPY002 - what user code draws from
    with importing(), quiet_tensorflow():
        module = load_model_file(training.model, warn=warn)
        for name, backend in backends().items():
            if name in wanted:
                backend.seed(training.seed, training.threads)
    return module


def build(module: ModuleType, choose: Callable[..., LayoutChoice], monitor: Monitor) -> Untrained:
    """Build the model for the columns there are.

    Args:
        module: the namespace of the user's file.
        choose: gives the columns, called with ``nan``: whether the model takes NaN.
        monitor: told what was chosen.

    Raises:
        ModelFileError: the file gives no model of a known framework.
    """
    choice = choose(nan=False)
    model = build_model(module, choice.layout.model_width, warn=monitor.warn)
    backend = backend_for(model)
    if backend.takes_missing(model):
        choice = choose(nan=True)
    for note in choice.notes:
        monitor.note(note)
    for warning in choice.warnings:
        monitor.warn(warning)
    return Untrained(model, backend, module, choice)
