"""One part of the split with its truth, scores and physics weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Part"]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Events of one part (train, validation, test, or ``data`` for other files).

    Attributes:
        y: classification: int64 [N] class indices (binary: 1 is the signal); regression: float32 [N] true values.
        scores: float32; binary [N, 1] probability of the signal; multiclass [N, C]; regression [N, 1].
        weight: float64 [N] physics weights, of any sign; ones without weights.
    """

    y: NDArray[Any]
    scores: NDArray[np.float32]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.y)

    def finite(self) -> Part:
        """Only the events whose scores are all finite."""
        finite = np.isfinite(self.scores)
        keep = finite.all(axis=1) if finite.ndim == 2 else finite
        return self if keep.all() else Part(self.y[keep], self.scores[keep], self.weight[keep])
