"""HistGradientBoosting for ONNX, which keeps thresholds as float32 where scikit-learn compares with float64 ones.

For a float32 value x, ``x <= t`` is the same as ``x <= t'`` with t' the largest float32 that is not above t. Rounding
to the nearest, as skl2onnx does for this model alone, sends values just above a threshold to the wrong side.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["with_float32_thresholds"]


def with_float32_thresholds(model: Any) -> Any:
    """Return a copy of the model (itself, if it has no trees) whose float32 thresholds decide the same."""
    if not any(True for _ in _thresholds(model)):
        return model
    copied = copy.deepcopy(model)
    for thresholds in _thresholds(copied):
        thresholds[...] = round_down(thresholds)
    return copied


def round_down(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest float32 values that are not above the given ones, as float64."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    above = rounded.astype(np.float64) > values
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded.astype(np.float64)


def _thresholds(model: Any) -> Iterator[NDArray[np.float64]]:
    """The arrays of thresholds of all trees in a model, writable."""
    if hasattr(model, "steps"):
        for _, step in model.steps:
            yield from _thresholds(step)
    elif hasattr(model, "_predictors"):
        for predictors in model._predictors:
            for predictor in predictors:
                yield predictor.nodes["num_threshold"]
