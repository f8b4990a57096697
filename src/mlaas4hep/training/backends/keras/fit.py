"""Training of Keras models: checked and compiled, then by our loop or by the fit of the user's class."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.base import FitSettings, History, Predict
from mlaas4hep.training.backends.checks import check_outputs
from mlaas4hep.training.backends.keras.learner import KerasLearner
from mlaas4hep.training.backends.keras.outputs import compile_if_needed, has_own_fit, note_outputs
from mlaas4hep.training.backends.keras.own_fit import own_fit
from mlaas4hep.training.backends.loop import run_passes
from mlaas4hep.training.events.base import Events
from mlaas4hep.training.user_code.user_model import user_errors

__all__ = ["fit", "ready"]


def fit(model: Any, train: Events, validation: Events, settings: FitSettings, predict: Predict) -> History:
    """Train in place, as described in `KerasBackend.fit`."""
    outputs = ready(model, train.width, settings)
    if has_own_fit(model):
        return own_fit(model, outputs, train, validation, settings, predict)
    learner = KerasLearner(model, outputs, train, validation, settings)
    learner.prepare()
    return run_passes(learner, train, validation, settings)


def ready(model: Any, width: int, settings: FitSettings) -> int:
    """Call and compile the model, if it is not yet compiled; the number of its outputs.

    Raises:
        ModelFileError: the outputs do not fit the task, or the model raises.
    """
    with user_errors(settings.file, "the Keras model cannot be called"):
        outputs = _count_outputs(model, width)
    check_outputs("the Keras model", outputs, settings.task, settings.classes)
    note_outputs(model, outputs)
    with user_errors(settings.file, "the Keras model cannot be compiled"):
        compile_if_needed(model, width, outputs, settings.task)
    _epsilon_of_keras_2(model)
    if not isinstance(model.loss, str) and isinstance(model.loss, (list, tuple, dict)):
        raise ModelFileError(
            "the Keras model has several losses", where=settings.file, hint="give it one output and one loss"
        )
    return outputs


def _epsilon_of_keras_2(model: Any) -> None:
    """``epsilon=None`` was Keras 2's word for the default."""
    import keras

    if getattr(model.optimizer, "epsilon", 0.0) is None:
        model.optimizer.epsilon = keras.config.epsilon()


def _count_outputs(model: Any, width: int) -> int:
    result = model(np.zeros((2, width), np.float32))
    shape = getattr(result, "shape", None)
    if shape is None or len(shape) > 2:
        raise ModelFileError("the Keras model must give one output of shape [events, classes]")
    return int(shape[1]) if len(shape) == 2 else 1
