"""What a backend is given to train on: batches of events, already transformed, as often as it asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arrays", "Events", "Task"]

Task: TypeAlias = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True, slots=True)
class Arrays:
    """Some events in memory.

    Attributes:
        x: float32 [N, width], transformed as the model sees it (see `Layout.transform`).
        y: classification: int64 [N] class indices (binary: 1 is the signal); regression: float32 [N].
        weight: float32 [N], training weights (physics weight, class balance), 1.0 without weights.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.y)


class Events(Protocol):
    """One part of the split (train or validation), of any size."""

    @property
    def size(self) -> int:
        """Number of events."""

    @property
    def width(self) -> int:
        """Number of columns the model sees."""

    @property
    def weighted(self) -> bool:
        """False if every weight is 1."""

    def chunks(self, epoch: int = 0) -> Iterator[Arrays]:
        """Return all events once, chunk by chunk, each chunk with every file in proportion.

        Shuffled by (seed, epoch) if shuffling is on: the same epoch always gives the same order.
        """

    def batches(self, batch_size: int, epoch: int = 0) -> Iterator[Arrays]:
        """Return all events once in batches; only the last one may be smaller."""

    def load(self) -> Arrays:
        """Return all events in memory, in the canonical order (not shuffled).

        Raises:
            MemoryLimitError: they need more than the memory limit; says the limit and the remedy.
        """

    def fits(self) -> bool:
        """Return true if `load` would succeed."""
