"""Some events with their raw features, as they lie in the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block"]


@dataclass(frozen=True, eq=False)
class Block:
    """Some events with their raw features.

    Attributes:
        raw: raw feature columns (see `Layout`), float32 [n, D].
        y: target of each event as `Dataset` was told to compute it, [n].
        weight: physics weights, float64 [n].
        part: TRAIN, VALIDATION or TEST, int8 [n].
        file: index of the file as the user gave it, int32 [n].
        entry: entry number in its file, int64 [n].
    """

    raw: NDArray[np.float32]
    y: NDArray[Any]
    weight: NDArray[np.float64]
    part: NDArray[np.int8]
    file: NDArray[np.int32]
    entry: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.entry)

    def take(self, which: Any) -> Block:
        """Some of the events: an index array, a mask or a slice."""
        return Block(
            self.raw[which], self.y[which], self.weight[which], self.part[which], self.file[which], self.entry[which]
        )

    @staticmethod
    def join(blocks: Sequence[Block]) -> Block:
        """Return the events of several blocks, one after another."""
        if len(blocks) == 1:
            return blocks[0]
        names = ("raw", "y", "weight", "part", "file", "entry")
        return Block(*(np.concatenate([getattr(block, name) for block in blocks]) for name in names))
