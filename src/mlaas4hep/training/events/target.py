"""The target of a regression as a network learns it: shifted and scaled, and its predictions back in its own unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlaas4hep.frameworks.target import TargetScale
from mlaas4hep.training.events.base import Arrays, Events

if TYPE_CHECKING:
    pass

__all__ = ["Standardised", "target_scale"]


class Standardised:
    """The protocol `Events` with the target as the model learns it."""

    def __init__(self, events: Events, target: TargetScale) -> None:
        self._events = events
        self._target = target

    @property
    def size(self) -> int:
        """Number of events."""
        return self._events.size

    @property
    def width(self) -> int:
        """Number of columns the model sees."""
        return self._events.width

    @property
    def weighted(self) -> bool:
        """False if every weight is 1."""
        return self._events.weighted

    def chunks(self, epoch: int = 0) -> Iterator[Arrays]:
        """Return all events once, chunk by chunk."""
        return map(self._changed, self._events.chunks(epoch))

    def batches(self, batch_size: int, epoch: int = 0) -> Iterator[Arrays]:
        """Return all events once in batches."""
        return map(self._changed, self._events.batches(batch_size, epoch))

    def load(self) -> Arrays:
        """Return all events in memory."""
        return self._changed(self._events.load())

    def fits(self) -> bool:
        """Return true if `load` would succeed."""
        return self._events.fits()

    def _changed(self, arrays: Arrays) -> Arrays:
        return replace(arrays, y=self._target.forward(arrays.y))


def target_scale(
    train: Events, takes_any: Callable[[], bool | None], warn: Callable[[str], None]
) -> TargetScale | None:
    """Mean and spread of the target where a network could not learn it as it is; None where it can.

    A network begins near 0 and learns in steps of about 1e-3: a target that is far from 0 compared with its spread, or
    whose spread is far from 1, is out of its reach.

    Args:
        train: training events.
        takes_any: see `Backend.takes_any_target`.
        warn: told what is done.
    """
    allowed = takes_any()
    if allowed is None:
        return None
    count, mean, squares = 0, 0.0, 0.0
    for chunk in train.chunks(0):
        y = chunk.y.astype(np.float64)
        if not len(y):
            continue
        shift = float(y.mean()) - mean
        total = count + len(y)
        squares += float(((y - y.mean()) ** 2).sum()) + shift**2 * count * len(y) / total
        mean += shift * len(y) / total
        count = total
    spread = float(np.sqrt(squares / count)) if count else 0.0
    if spread == 0.0 or (0.1 <= spread <= 10.0 and abs(mean) <= 3.0 * spread):
        return None
    told = f"the target has mean {mean:.6g} and standard deviation {spread:.4g}"
    if not allowed:
        warn(
            f"{told}, which a network learns poorly, and its last layer or loss does not allow rescaling: "
            "consider a target near 0 with a spread near 1"
        )
        return None
    warn(f"{told}: the model is trained on it scaled to mean 0 and standard deviation 1, and predicts it in its unit")
    return TargetScale(mean, spread)
