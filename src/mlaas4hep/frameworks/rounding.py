"""Thresholds of trees for features in float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["round_down"]


def round_down(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest float32 values that are not above the given ones, as float64.

    For every float32 x, ``x <= t`` is the same as ``x <= round_down(t)``; rounding to the nearest sends values just
    above a threshold to the wrong side.
    """
    with np.errstate(over="ignore"):
        near = np.asarray(values).astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float64)
