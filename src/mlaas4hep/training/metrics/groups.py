"""Very many values as few groups of neighbouring ones, with the sums of each group; memory does not grow with events.

A group is an interval of values; groups never overlap, so sums above the end of a group are exact. What is lost is the
order within a group. Groups are small where a class has few events left (both tails) and never reach across a cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.metrics._arrays import Floats

__all__ = ["Groups"]

_BUFFER = 1 << 18


class Groups:
    """Groups of the values of one score, with sums for each kind of event.

    Args:
        kinds: number of kinds (class and part of the split) that sums are kept for.
        classes: the class of each kind, whose events a group may hold a small share of only.
        most: groups at most.
        cuts: no group holds values on both sides of one of these.
    """

    def __init__(self, kinds: int, classes: Sequence[int], most: int, cuts: Sequence[float] = ()) -> None:
        self._kinds = kinds
        self._members = [np.flatnonzero(np.asarray(classes) == index) for index in sorted(set(classes))]
        self._most = most
        self._cuts = np.asarray(sorted(cuts), dtype=np.float64)
        self._buffer: list[tuple[Floats, NDArray[np.int64], Floats]] = []
        self._waiting = 0
        self._low, self._high, self._total = np.zeros(0), np.zeros(0), np.zeros(0)
        self._sums = np.zeros((0, 3, kinds))

    def add(self, values: Floats, kind: NDArray[np.int64], weight: Floats) -> None:
        """Add events: finite values, kinds and weights, each [n]."""
        self._buffer.append((values, kind, weight))
        self._waiting += len(values)
        if self._waiting >= _BUFFER:
            self._flush()

    def close(self) -> None:
        """Put the last events into groups; to be called before anything is read."""
        self._flush()

    @property
    def low(self) -> Floats:
        """Smallest value of each group, ascending, [G]."""
        return self._low

    @property
    def high(self) -> Floats:
        """Largest value of each group, [G]."""
        return self._high

    @property
    def mean(self) -> Floats:
        """Mean of the values of each group, [G]."""
        mean: Floats = np.clip(self._total / self._sums[:, 0].sum(axis=1), self._low, self._high)
        return mean

    @property
    def sums(self) -> Floats:
        """Number of events, sum of weights and sum of squared weights of each group and kind, [G, 3, kinds]."""
        return self._sums

    def _flush(self) -> None:
        if not self._waiting:
            return
        values, kind, weight = (np.concatenate(arrays) for arrays in zip(*self._buffer, strict=True))
        self._buffer, self._waiting = [], 0
        distinct, inverse = np.unique(values, return_inverse=True)
        at = np.searchsorted(self._low, distinct, side="right") - 1
        inside = (at >= 0) & (distinct <= self._high[at]) if len(self._low) else np.zeros(len(distinct), dtype=np.bool_)
        fresh = distinct[~inside]
        # Where each group and each new value stands among both.
        of_old = np.arange(len(self._low)) + np.searchsorted(fresh, self._low)
        place = np.where(inside, of_old[at] if len(of_old) else 0, 0)
        place[~inside] = np.arange(len(fresh)) + np.searchsorted(self._low, fresh)
        size = len(self._low) + len(fresh)
        low, high, total = np.empty(size), np.empty(size), np.zeros(size)
        low[of_old], high[of_old], total[of_old] = self._low, self._high, self._total
        low[place[~inside]] = high[place[~inside]] = fresh
        where = place[inverse]
        total += np.bincount(where, values, minlength=size)
        sums = np.zeros((size, 3, self._kinds))
        sums[of_old] = self._sums
        cell = where * self._kinds + kind
        for index, content in enumerate((None, weight, weight * weight)):
            found = np.bincount(cell, content, minlength=size * self._kinds)
            sums[:, index] += found.reshape(size, self._kinds)
        self._low, self._high, self._total, self._sums = low, high, total, sums
        if size > self._most:
            self._coarsen()

    def _coarsen(self) -> None:
        """Join neighbours so that half of the groups are left, or somewhat more."""
        begins = np.zeros(len(self._low), dtype=np.bool_)
        begins[0] = True
        side = np.searchsorted(self._cuts, self._low, side="right")
        begins[1:] |= side[1:] != side[:-1]
        steps = self._most / (2.0 * len(self._members))
        for members in self._members:
            count = self._sums[:, 0, members].sum(axis=1)
            share = (np.cumsum(count) - count / 2.0) / max(1.0, float(count.sum()))
            # The arc sine makes cells small at both ends, as in the t-digest (T. Dunning, arXiv:1902.04023).
            cell = np.floor(steps * np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0))) / (np.pi / 2.0))
            begins[1:] |= cell[1:] != cell[:-1]
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(begins)) - 1
        self._low, self._high = self._low[first], self._high[last]
        self._total = np.add.reduceat(self._total, first)
        self._sums = np.add.reduceat(self._sums, first, axis=0)
