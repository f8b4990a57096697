"""HistGradientBoosting for ONNX, which keeps thresholds as float32 where scikit-learn compares with float64 ones.

skl2onnx rounds them to the nearest float32, for this model alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.rounding import round_down

__all__ = ["with_float32_thresholds"]


def with_float32_thresholds(model: Any) -> Any:
    """Return a copy of the model (itself, if it has no trees) whose float32 thresholds decide the same."""
    if not any(True for _ in _thresholds(model)):
        return model
    copied = copy.deepcopy(model)
    for thresholds in _thresholds(copied):
        thresholds[...] = round_down(thresholds)
    return copied


def _thresholds(model: Any) -> Iterator[NDArray[np.float64]]:
    """The arrays of thresholds of all trees in a model, writable."""
    if hasattr(model, "steps"):
        for _, step in model.steps:
            yield from _thresholds(step)
    elif hasattr(model, "_predictors"):
        for predictors in model._predictors:
            for predictor in predictors:
                yield predictor.nodes["num_threshold"]
