"""Probabilities from the numbers that models give, without overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["sigmoid", "softmax"]

Floats = NDArray[np.floating[Any]]


def sigmoid(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-v)), of the shape and dtype of the values."""
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0 / (1.0 + small), small / (1.0 + small)).astype(values.dtype)


def softmax(values: Floats) -> Floats:
    """Return exp(v) / sum(exp(v)) of each row [N, C], in the dtype of the values."""
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=values.dtype)
