"""One part of the split as the backends see it: transformed features, targets, training weights."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property

import numpy as np

from mlaas4hep.errors import MemoryLimitError
from mlaas4hep.features.split import PARTS
from mlaas4hep.streaming.dataset.dataset import Chunk, Dataset, Order
from mlaas4hep.training.events.base import Arrays
from mlaas4hep.training.events.memory import size_text
from mlaas4hep.training.events.weighting import TrainingWeights

__all__ = ["PartEvents"]

_BESIDE = 64
"""Bytes of an event beside its columns, measured with XGBoost."""


class PartEvents:
    """Events of one part (see the protocol `Events`).

    Args:
        dataset: all events.
        part: TRAIN or VALIDATION.
        weights: from physics to training weights.
        shuffle: shuffle by (seed, epoch).
        memory_limit: bytes that the events may need in memory.
    """

    def __init__(
        self, dataset: Dataset, part: int, weights: TrainingWeights, *, shuffle: bool, seed: int, memory_limit: int
    ) -> None:
        self._dataset = dataset
        self._part = part
        self._weights = weights
        self._shuffle = shuffle
        self._seed = seed
        self._limit = memory_limit
        self.passes: list[tuple[float, float]] = []
        """For each time through all chunks: seconds that whoever takes them waited for them, and seconds in all."""

    @property
    def size(self) -> int:
        """Number of events."""
        return self._dataset.size(self._part)

    @property
    def width(self) -> int:
        """Number of columns the model sees."""
        return self._dataset.layout.model_width

    @property
    def weighted(self) -> bool:
        """False if every weight is 1."""
        return not self._weights.trivial

    def chunks(self, epoch: int = 0) -> Iterator[Arrays]:
        """Yield all events once, chunk by chunk."""
        start = time.perf_counter()
        waited = 0.0
        with closing(self._dataset.chunks(self._part, Order(self._seed, epoch, self._shuffle))) as chunks:
            while True:
                begin = time.perf_counter()
                chunk = next(chunks, None)
                end = time.perf_counter()
                waited += end - begin
                if chunk is None:
                    break
                yield self._arrays(chunk)
        self.passes.append((waited, end - start))

    @property
    def waiting(self) -> float | None:
        """Share of the time that training waited for events after the first epoch; None without a second one."""
        waited, total = (sum(column) for column in zip(*self.passes[1:], strict=True)) if self.passes[1:] else (0, 0)
        return waited / total if total else None

    def batches(self, batch_size: int, epoch: int = 0) -> Iterator[Arrays]:
        """Yield all events once in batches; only the last one may be smaller."""
        rest: Arrays | None = None
        for chunk in self.chunks(epoch):
            start = 0
            if rest is not None:
                start = min(batch_size - len(rest), len(chunk))
                rest = _join([rest, _cut(chunk, 0, start)])
                if len(rest) < batch_size:
                    continue
                yield rest
            stop = start + (len(chunk) - start) // batch_size * batch_size
            for begin in range(start, stop, batch_size):
                yield _cut(chunk, begin, begin + batch_size)
            rest = _cut(chunk, stop, len(chunk)) if stop < len(chunk) else None
        if rest is not None:
            yield rest

    def load(self) -> Arrays:
        """Return all events in memory, in the canonical order."""
        if not self.fits():
            raise MemoryLimitError(
                f"the {self.size} events for {PARTS[self._part]} need {size_text(self._bytes)} in memory, "
                f"the limit is {size_text(self._limit)}",
                hint="raise memory_limit, use fewer events (nevts), or a model that streams "
                "(a neural network, XGBoost, or one with partial_fit)",
            )
        if self._bytes + self._dataset.kept > self._limit:
            self._dataset.forget()
        return self._loaded

    def fits(self) -> bool:
        """Return true if `load` would succeed."""
        return self._bytes <= self._limit

    @property
    def _bytes(self) -> int:
        """Columns twice, since frameworks make a copy of their own, and what is beside them.

        That is target, weights, file and entry while they are loaded, then what frameworks keep of each event: target,
        weight, prediction, gradient.
        """
        return self.size * (2 * 4 * self.width + _BESIDE)

    @cached_property
    def _loaded(self) -> Arrays:
        return self._arrays(self._dataset.load(self._part))

    def _arrays(self, chunk: Chunk) -> Arrays:
        return Arrays(chunk.x, chunk.y, self._weights.of(chunk.y, chunk.weight))


def _join(parts: list[Arrays]) -> Arrays:
    return Arrays(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "weight")))


def _cut(arrays: Arrays, start: int, stop: int) -> Arrays:
    return Arrays(arrays.x[start:stop], arrays.y[start:stop], arrays.weight[start:stop])
