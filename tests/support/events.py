"""Events in memory, for tests of backends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import MemoryLimitError
from mlaas4hep.training.events.base import Arrays

__all__ = ["MemoryEvents", "make_sample"]


@dataclass
class MemoryEvents:
    """The protocol `Events` over arrays."""

    data: Arrays
    chunk_size: int = 500
    seed: int = 0
    shuffle: bool = True
    limited: bool = False
    loads: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def width(self) -> int:
        return int(self.data.x.shape[1])

    @property
    def weighted(self) -> bool:
        return bool((self.data.weight != 1.0).any())

    def _ordered(self, epoch: int) -> Arrays:
        order = np.arange(self.size)
        if self.shuffle:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        return Arrays(self.data.x[order], self.data.y[order], self.data.weight[order])

    def _cut(self, data: Arrays, size: int) -> Iterator[Arrays]:
        for start in range(0, len(data), size):
            stop = start + size
            yield Arrays(data.x[start:stop], data.y[start:stop], data.weight[start:stop])

    def chunks(self, epoch: int = 0) -> Iterator[Arrays]:
        yield from self._cut(self._ordered(epoch), self.chunk_size)

    def batches(self, batch_size: int, epoch: int = 0) -> Iterator[Arrays]:
        yield from self._cut(self._ordered(epoch), batch_size)

    def load(self) -> Arrays:
        if self.limited:
            raise MemoryLimitError("the events need 2 GB, the limit is 1 GB", hint="raise memory_limit")
        self.loads.append("load")
        return self.data

    def fits(self) -> bool:
        return not self.limited


def make_sample(
    size: int = 1200,
    width: int = 4,
    task: str = "binary",
    seed: int = 1,
    weights: bool = False,
    missing: float = 0.0,
) -> Arrays:
    """A small sample that can be learnt: classes are shifted Gaussians, the regression target is a plane."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(size, width)).astype(np.float32)
    y: NDArray[np.int64] | NDArray[np.float32]
    if task == "regression":
        y = (x @ np.arange(1, width + 1) / width + 0.1 * rng.normal(size=size)).astype(np.float32)
    else:
        y = rng.integers(0, 2 if task == "binary" else 3, size)
        x[:, 0] += 2 * (y == 1)
        x[:, 1] += 2 * (y == 2) - 1 * (y == 1)
    weight = rng.uniform(0.2, 3.0, size).astype(np.float32) if weights else np.ones(size, np.float32)
    if missing:
        x[rng.random(x.shape) < missing] = np.nan
    return Arrays(x, y, weight)
