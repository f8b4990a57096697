"""The order of training: which events a model sees, pass by pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlaas4hep.training.backends.base import FitSettings
from mlaas4hep.training.events.base import Arrays, Events

__all__ = ["DEFAULT_EPOCHS", "Pass", "joined", "passes", "steps_of"]

DEFAULT_EPOCHS = 10


@dataclass(frozen=True)
class Pass:
    """Once over some events: all of them (an epoch), or one chunk.

    Attributes:
        number: counts from 0.
        size: number of events.
        last: number of the last pass over the same chunk; None for a pass over all events.
    """

    number: int
    size: int
    _train: Events
    _settings: FitSettings
    _chunk: Arrays | None = None
    _before: int = 0
    last: int | None = None

    def place(self, done: int) -> tuple[int, int]:
        """Epoch and events done in it, as `Progress` wants them, after ``done`` events of this pass.

        In order ``chunk`` they are counted as if the same number of events had been seen in epochs over all events.
        """
        done = min(done, self.size)
        return (self.number, done) if self._chunk is None else divmod(self._before + done, self._train.size)

    def batches(self) -> Iterator[Arrays]:
        """Yield the events in batches, in an order that (seed, number) decides."""
        yield from joined(self._single_batches(), self._settings.batch_size)

    def steps(self) -> int:
        """Return the number of `batches`."""
        return steps_of(self.size, self._settings.batch_size)

    def even(self) -> bool:
        """Return true if `batches` are what `blocks` give when they are cut into pieces of the size of a batch."""
        return self.steps() == -(-self.size // self._settings.batch_size)

    def _single_batches(self) -> Iterator[Arrays]:
        size = self._settings.batch_size
        if self._chunk is None:
            yield from self._train.batches(size, self.number)
            return
        order = np.arange(self.size)
        if self._settings.shuffle:
            np.random.default_rng([self._settings.seed, self.number]).shuffle(order)
        for start in range(0, self.size, size):
            rows = order[start : start + size]
            yield Arrays(self._chunk.x[rows], self._chunk.y[rows], self._chunk.weight[rows])

    def blocks(self) -> Iterator[Arrays]:
        """Yield the events in the order of `batches`, in pieces as they come."""
        if self._chunk is None:
            yield from self._train.chunks(self.number)
        else:
            yield from self.batches()

    def chunks(self) -> Iterator[Arrays]:
        """Yield the events in large blocks."""
        if self._chunk is None:
            yield from self._train.chunks(self.number)
        else:
            yield self._chunk


def steps_of(events: int, size: int) -> int:
    """Return the number of batches of ``size`` that `joined` makes of the events."""
    return max(-(-events // size) - (size > 1 and events % size == 1), min(events, 1))


def joined(batches: Iterator[Arrays], size: int) -> Iterator[Arrays]:
    """Yield the batches, but a last one of one event joins the one before: BatchNorm has no variance of one event.

    Args:
        batches: of ``size`` events, only the last one may be smaller.
        size: of a batch.
    """
    before: Arrays | None = None
    for batch in batches:
        if before is not None and len(batch) == 1 < size:
            pairs = ((getattr(before, name), getattr(batch, name)) for name in ("x", "y", "weight"))
            before = Arrays(*(np.concatenate(pair) for pair in pairs))
            continue
        if before is not None:
            yield before
        before = batch
    if before is not None:
        yield before


def passes(train: Events, settings: FitSettings, first: int = 0) -> Iterator[Pass]:
    """Yield all passes from number ``first`` on.

    Order ``standard``: one pass an epoch, over all events. Order ``chunk``: `epochs` passes over the first chunk, then
    over the second, and so on.
    """
    epochs = settings.epochs or DEFAULT_EPOCHS
    if settings.order != "chunk":
        for number in range(first, epochs):
            yield Pass(number, train.size, train, settings)
        return
    seen = 0
    for index, chunk in enumerate(train.chunks(0)):
        for number in range(max(first, index * epochs), (index + 1) * epochs):
            before = seen + (number - index * epochs) * len(chunk)
            yield Pass(number, len(chunk), train, settings, chunk, before, (index + 1) * epochs - 1)
        seen += epochs * len(chunk)
