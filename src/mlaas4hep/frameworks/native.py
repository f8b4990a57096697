"""Scores by the framework's own model, for bundles whose model could not be converted to ONNX.

The folder ``native`` holds one of ``model.skops``, ``model.ubj``, ``model.keras``, ``model.txt`` (LightGBM), or weights
(``model.pt``, ``model.weights.npz``) with ``model.py``.
It may hold ``about.json`` (for torch it must), where ``output`` says what the model's numbers are before they become
scores: ``probability``, ``logits``, ``decision``, ``sigmoid``, ``softmax`` or ``value``; and ``target`` with ``offset``
and ``scale``, if a regression was trained on ``(target - offset) / scale``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BundleError, FrameworkMissingError, MLaaS4HEPError
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.errors.text import first_line
from mlaas4hep.extras import extra_of, install_hint
from mlaas4hep.frameworks.framework import found
from mlaas4hep.frameworks.probabilities import sigmoid, softmax
from mlaas4hep.frameworks.registry import native_files
from mlaas4hep.frameworks.scorer import Loading, NativeLoader, Predict
from mlaas4hep.frameworks.target import TargetScale

__all__ = ["ABOUT_FILE", "NativeModel", "to_scores"]

ABOUT_FILE = "about.json"


class NativeModel:
    """A framework's own form of a model, loaded: from what the model sees to scores.

    Args:
        folder: the bundle's folder ``native``, verified.
        loading: all but `Loading.about`, which is read here.
        framework: keras, torch, sklearn or xgboost, for messages.
        name: of the bundle, for messages.

    Raises:
        BundleError: the model is damaged, of an unknown format, or would need code or types that are not trusted.
        FrameworkMissingError: the framework is not installed.
    """

    def __init__(self, folder: Path, loading: Loading, framework: str, name: str = "native") -> None:
        self._task = loading.task
        try:
            about = _about(folder)
            self._predict, output = _load(folder, replace(loading, about=about), name)
        except MLaaS4HEPError:
            raise
        except ImportError as error:
            what = f"the native model needs {framework}, which is not installed"
            hint = install_hint(extra_of(framework) or "all")
            raise FrameworkMissingError(what, where=name, hint=hint) from error
        except Exception as error:  # loaders raise anything on a damaged file
            what = f"the native {framework} model cannot be loaded ({first_line(error)})"
            raise BundleError(what, where=name) from error
        self._output = str(about.get("output", output))
        self._target = _target(about)

    def scores(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores float32 [N, K] of transformed rows float32 [N, width]."""
        scores = to_scores(self._predict(x), self._output, self._task)
        return scores if self._target is None else self._target.back(scores)


def to_scores(values: NDArray[Any], output: str, task: str) -> NDArray[np.float32]:
    """Return a model's numbers as scores.

    Args:
        values: [N], [N, 1] or [N, C].
        output: ``sigmoid`` and ``softmax`` are applied; so is the fitting one (sigmoid to one column) to ``logits`` and
            ``decision``. Anything else is taken as it is.
        task: binary scores keep the signal's column only.

    Returns:
        float32 [N, K] as `Scorer.scores` gives it.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values.reshape(len(values), -1)
    if output in {"logits", "decision", "sigmoid", "softmax"} and task != "regression":
        if output == "sigmoid" or (output != "softmax" and values.shape[1] == 1):
            values = sigmoid(values)
        else:
            values = softmax(values)
    if task == "binary":
        values = values[:, -1:]
    return values.astype(np.float32)


def _about(folder: Path) -> dict[str, Any]:
    file = folder / ABOUT_FILE
    if not file.is_file():
        return {}
    try:
        data = json.loads(file.read_bytes())
    except ValueError as error:
        what = f"native/about.json cannot be read ({error})"
        raise BundleError(what) from error
    return data if isinstance(data, dict) else {}


def _target(about: dict[str, Any]) -> TargetScale | None:
    """Offset and scale that bring the predictions of a regression into the unit of its target."""
    found = about.get("target")
    return None if not isinstance(found, dict) else TargetScale(float(found["offset"]), float(found["scale"]))


def _load(folder: Path, loading: Loading, name: str) -> tuple[Predict, str]:
    files = native_files()
    for file in files:
        if (folder / file.name).is_file():
            loader: NativeLoader = found(file.loader)
            try:
                return loader(folder, loading)
            except ModelRefusedError as error:
                raise BundleError(error.what, where=f"native/{file.name}", hint=error.hint) from error
    what = "the bundle's folder native holds no model of a known format"
    raise BundleError(what, where=name, hint=f"known are {', '.join(file.name for file in files)}")
