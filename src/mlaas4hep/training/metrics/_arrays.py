"""Checks and conversions that all metrics share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Floats", "flat_scores", "labels", "weights"]

Floats = NDArray[np.float64]


def labels(y: ArrayLike) -> NDArray[np.int64]:
    """Class indices as int64 [N]."""
    array = np.asarray(y)
    if array.ndim != 1:
        msg = f"labels have shape {array.shape}, must be one-dimensional"
        raise ValueError(msg)
    return array.astype(np.int64, copy=False)


def flat_scores(scores: ArrayLike, events: int) -> Floats:
    """Return scores of shape [N] or [N, 1] as float64 [N]."""
    array: NDArray[Any] = np.asarray(scores)
    if array.shape not in {(events,), (events, 1)}:
        msg = f"scores have shape {array.shape}, must be ({events},) or ({events}, 1)"
        raise ValueError(msg)
    return array.reshape(events).astype(np.float64)


def weights(weight: ArrayLike | None, events: int) -> Floats:
    """Weights as float64 [N]; None means 1 for every event."""
    if weight is None:
        return np.ones(events)
    array = np.asarray(weight, dtype=np.float64)
    if array.shape != (events,):
        msg = f"weights have shape {array.shape}, must be ({events},)"
        raise ValueError(msg)
    return array
