"""A histogram of values from which quantiles and single values that occur often are told, as a monoid.

Buckets are ranges of keys (see `sweep`) without their last ``level`` bits. The level is 0, every value by itself, as
long as there are not too many, and rises with the number of buckets; where the values spread over many powers of two
it is 44, which leaves 8 bits of the mantissa. So the width of a bucket follows from how the values spread, not from how
large they are: of values around 5000 that spread by 3 it is a thousandth of that spread. The level depends on the set
of values alone, so that merging in any order gives the same buckets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.compiled import address_of_vector, carray, compiled, pointer
from mlaas4hep.features.sweep import SHIFT, Swept, value_of

__all__ = ["FEW_BUCKETS", "MOST_BUCKETS", "Sketch"]

Int64s = NDArray[np.int64]

FEW_BUCKETS = 512
"""With more buckets than this at the highest level, the level is the highest."""

MOST_BUCKETS = 4096
"""Buckets there may be below the highest level."""

_BLOCK = 1 << 14  # keys that are sorted at a time: they fit into the processor's cache


@dataclass(frozen=True, eq=False)
class Sketch:
    """Counts of values by bucket.

    Attributes:
        level: bits of the keys that do not matter.
        first: the smallest key in each bucket, ascending, int64 [k].
        counts: values in it, int64 [k].
        single: whether all of them are equal, bool [k].
    """

    level: int
    first: Int64s
    counts: Int64s
    single: NDArray[np.bool_]

    @staticmethod
    def of(found: Swept, keys: Callable[[], Int64s]) -> Sketch:
        """From what a sweep found.

        Args:
            found: the sweep.
            keys: all keys of it, int64 [real]; called only where they are needed.
        """
        single = found.first == found.last
        if len(found.first) > FEW_BUCKETS:
            return Sketch(SHIFT, found.first, found.counts, single)
        if single.all():
            return Sketch(0, found.first, found.counts, single)
        every = keys()
        return reduce(Sketch.__add__, (_sorted(every[a : a + _BLOCK]) for a in range(0, len(every), _BLOCK)))

    def __add__(self, other: Sketch) -> Sketch:
        level = max(self.level, other.level)
        a, b = (part if part.level == level else part.coarser(level) for part in (self, other))
        return _fitting(_merged(a, b))

    def coarser(self, level: int) -> Sketch:
        """The same values with buckets of a higher level."""
        starts = np.flatnonzero(np.diff(self.first >> level, prepend=np.iinfo(np.int64).min))
        if not len(starts):
            return Sketch(level, self.first, self.counts, self.single)
        counts = np.add.reduceat(self.counts, starts)
        single = self.single[starts] & (np.diff(starts, append=len(self.first)) == 1)
        return Sketch(level, self.first[starts], counts, single)

    def quantile(self, q: float) -> tuple[float, float]:
        """Value below which a share ``q`` of the values lies, and by how much it may be wrong at most.

        The bucket is exact; inside it the position is interpolated. NaN without values.
        """
        total = int(self.counts.sum())
        if total == 0:
            return math.nan, math.nan
        reached = np.cumsum(self.counts)
        rank = q * (total - 1) + 0.5
        index = min(int(np.searchsorted(reached, rank, side="left")), len(reached) - 1)
        low, high = self.edges(index)
        share = (rank - float(reached[index] - self.counts[index])) / float(self.counts[index])
        return float(low + (high - low) * min(max(share, 0.0), 1.0)), high - low

    def edges(self, index: int) -> tuple[float, float]:
        """Between which values all values of a bucket lie."""
        first = int(self.first[index])
        low = value_of(first)
        if self.single[index]:
            return low, low
        return low, value_of((((first >> self.level) + 1) << self.level) - 1)


def _sorted(keys: Int64s) -> Sketch:
    ordered = np.sort(keys)
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))
    counts = np.diff(starts, append=len(ordered))
    return _fitting(Sketch(0, ordered[starts], counts, np.ones(len(starts), dtype=np.bool_)))


def _fitting(sketch: Sketch) -> Sketch:
    """The lowest level that is allowed, if it is higher than that of the sketch."""
    if sketch.level >= SHIFT or len(sketch.first) <= FEW_BUCKETS:
        return sketch
    # Keys that follow each other share a bucket from the level on at which their highest differing bit is dropped.
    differing = np.bitwise_xor(sketch.first[1:], sketch.first[:-1]).view(np.uint64)
    bits = np.frexp(differing.astype(np.float64))[1]  # may be one too many, of keys that nearly share no bit
    exact = np.where((differing >> np.maximum(bits - 1, 0).astype(np.uint64)) == 0, bits - 1, bits)
    buckets = 1 + len(exact) - np.cumsum(np.bincount(np.minimum(exact, SHIFT + 1), minlength=SHIFT + 2))
    if buckets[SHIFT] > FEW_BUCKETS:
        return sketch.coarser(SHIFT)
    level = int(np.flatnonzero(buckets <= MOST_BUCKETS)[0])
    return sketch.coarser(level) if level > sketch.level else sketch


def _merged(a: Sketch, b: Sketch) -> Sketch:
    """Both of the same level."""
    if not len(a.first) or not len(b.first):
        return a if len(a.first) else b
    size = len(a.first) + len(b.first)
    first, counts, single = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.bool_)
    arrays = [np.ascontiguousarray(array) for part in (a, b) for array in (part.first, part.counts, part.single)]
    places = [address_of_vector(array) for array in (*arrays, first, counts, single)]
    used = _merge(a.level, len(a.first), len(b.first), *places)
    return Sketch(a.level, first[:used].copy(), counts[:used].copy(), single[:used].copy())


@compiled
def _merge(
    level: int, size: int, other_size: int, keys: int, counts: int, singles: int, others: int, more: int, ones: int,
    out: int, sums: int, flags: int,
) -> int:  # fmt: skip
    """Merge two ascending tables; length of the result."""
    a, b = carray(pointer(keys), (size,), np.int64), carray(pointer(others), (other_size,), np.int64)
    x, y = carray(pointer(counts), (size,), np.int64), carray(pointer(more), (other_size,), np.int64)
    s, t = carray(pointer(singles), (size,), np.uint8), carray(pointer(ones), (other_size,), np.uint8)
    first = carray(pointer(out), (size + other_size,), np.int64)
    total = carray(pointer(sums), (size + other_size,), np.int64)
    single = carray(pointer(flags), (size + other_size,), np.uint8)
    i = j = used = 0
    while i < size or j < other_size:
        left = j == other_size or (i < size and (a[i] >> level) <= (b[j] >> level))
        right = i == size or (j < other_size and (b[j] >> level) <= (a[i] >> level))
        if left and right:
            first[used] = min(a[i], b[j])
            total[used] = x[i] + y[j]
            single[used] = s[i] & t[j] & np.uint8(a[i] == b[j])
        elif left:
            first[used], total[used], single[used] = a[i], x[i], s[i]
        else:
            first[used], total[used], single[used] = b[j], y[j], t[j]
        i += int(left)
        j += int(right)
        used += 1
    return used
