"""A histogram of values from which quantiles and single values that occur often are told, as a monoid.

Buckets are ranges of keys (see `sweep`) without their last ``level`` bits. The level is 0, every value by itself, as
long as there are not too many, and rises with the number of buckets; where the values spread over many powers of two
it is 44, which leaves 8 bits of the mantissa. So the width of a bucket follows from how the values spread, not from how
large they are: of values around 5000 that spread by 3 it is a thousandth of that spread. The level depends on the set
of values alone, so that merging in any order gives the same buckets.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.compiled import address_of_vector, carray, compiled, pointer
from mlaas4hep.features.statistics.sweep import SHIFT, Swept, value_of

__all__ = ["FEW_BUCKETS", "MOST_BUCKETS", "Sketch"]

Int64s = NDArray[np.int64]

FEW_BUCKETS = 512
"""With more buckets than this at the highest level, the level is the highest."""

MOST_BUCKETS = 4096
"""Buckets there may be below the highest level."""

_BLOCK = 1 << 14  # keys that are sorted at a time: they fit into the processor's cache
_DIGIT = 11  # bits


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
        if len(found.first) > FEW_BUCKETS:
            return Sketch(SHIFT, found.first, found.counts, found.single)
        if found.single.all():
            return Sketch(0, found.first, found.counts, found.single)
        every = keys()
        return reduce(Sketch.__add__, (_sorted(every[a : a + _BLOCK]) for a in range(0, len(every), _BLOCK)))

    def __add__(self, other: Sketch) -> Sketch:
        level = max(self.level, other.level)
        a, b = (part if part.level == level else part.coarser(level) for part in (self, other))
        return _fitting(_merged(a, b))

    def coarser(self, level: int) -> Sketch:
        """Return the same values with buckets of a higher level."""
        size = len(self.first)
        return _ROOM.sketch(level, _coarsen(level, size, *_places(self), *_ROOM.grow(size)))

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
    """The sketch of some keys, contiguous, whose order is lost."""
    tables = _ROOM.grow(len(keys))
    place = address_of_vector(keys)
    _sort(len(keys), place, tables[0])
    used = _group(len(keys), place, *tables)
    return _fitting(_ROOM.sketch(0, used))


def _fitting(sketch: Sketch) -> Sketch:
    """The lowest level that is allowed, if it is higher than that of the sketch."""
    if sketch.level >= SHIFT or len(sketch.first) <= FEW_BUCKETS:
        return sketch
    level = _lowest_level(len(sketch.first), address_of_vector(sketch.first))
    return sketch.coarser(level) if level > sketch.level else sketch


def _merged(a: Sketch, b: Sketch) -> Sketch:
    """Both of the same level."""
    if not len(a.first) or not len(b.first):
        return a if len(a.first) else b
    sizes = len(a.first), len(b.first)
    return _ROOM.sketch(a.level, _merge(a.level, *sizes, *_places(a), *_places(b), *_ROOM.grow(sum(sizes))))


def _places(sketch: Sketch) -> tuple[int, int, int]:
    return address_of_vector(sketch.first), address_of_vector(sketch.counts), address_of_vector(sketch.single)


class _Room(threading.local):
    """Tables of one thread that results are written to before it is known how long they are."""

    def __init__(self) -> None:
        self.size = 0
        self.grow(2 * _BLOCK)

    def grow(self, size: int) -> list[int]:
        """Return where tables of at least this many buckets lie."""
        if size > self.size:
            self.size = size
            self.first, self.counts = np.empty(size, np.int64), np.empty(size, np.int64)
            self.single = np.empty(size, np.bool_)
            self.places = [address_of_vector(array) for array in (self.first, self.counts, self.single)]
        return self.places

    def sketch(self, level: int, used: int) -> Sketch:
        """Return what was written there."""
        return Sketch(level, self.first[:used].copy(), self.counts[:used].copy(), self.single[:used].copy())


_ROOM = _Room()


@compiled
def _sort(size: int, keys: int, spare: int) -> None:
    """Sort keys in place, digit by digit from the lowest; digits that all of them share take no time."""
    lists = carray(pointer(keys), (size,), np.int64), carray(pointer(spare), (size,), np.int64)
    here, there = lists
    differing = np.int64(0)
    for i in range(size):
        differing |= here[i] ^ here[0]
    starts = np.empty(1 << _DIGIT, dtype=np.int64)
    for shift in range(0, 64, _DIGIT):
        flip = 1 << (_DIGIT - 1) if shift + _DIGIT >= 64 else 0  # the sign: negative keys come first
        if (differing >> shift) & ((1 << _DIGIT) - 1) == 0:
            continue
        starts[:] = 0
        for i in range(size):
            starts[np.uint64(((here[i] >> shift) ^ flip) & ((1 << _DIGIT) - 1))] += 1
        begin = 0
        for digit in range(1 << _DIGIT):
            begin, starts[digit] = begin + starts[digit], begin
        for i in range(size):
            bucket = np.uint64(((here[i] >> shift) ^ flip) & ((1 << _DIGIT) - 1))
            there[starts[bucket]] = here[i]
            starts[bucket] += 1
        here, there = there, here
    key = lists[0]
    for i in range(size):
        key[i] = here[i]


@compiled
def _group(size: int, keys: int, out: int, sums: int, flags: int) -> int:
    """Different keys of an ascending list, and how often each occurs; how many."""
    key = carray(pointer(keys), (size,), np.int64)
    first = carray(pointer(out), (size,), np.int64)
    total = carray(pointer(sums), (size,), np.int64)
    single = carray(pointer(flags), (size,), np.uint8)
    used = 0
    for i in range(size):
        if i > 0 and key[i] == key[i - 1]:
            total[used - 1] += 1
        else:
            first[used], total[used], single[used] = key[i], 1, 1
            used += 1
    return used


@compiled
def _coarsen(level: int, size: int, keys: int, counts: int, singles: int, out: int, sums: int, flags: int) -> int:
    """Buckets of a higher level; how many."""
    key, count = carray(pointer(keys), (size,), np.int64), carray(pointer(counts), (size,), np.int64)
    one = carray(pointer(singles), (size,), np.uint8)
    first = carray(pointer(out), (size,), np.int64)
    total = carray(pointer(sums), (size,), np.int64)
    single = carray(pointer(flags), (size,), np.uint8)
    used = 0
    for i in range(size):
        if i > 0 and (key[i] >> level) == (key[i - 1] >> level):
            total[used - 1] += count[i]
            single[used - 1] = 0
        else:
            first[used], total[used], single[used] = key[i], count[i], one[i]
            used += 1
    return used


@compiled
def _lowest_level(size: int, keys: int) -> int:
    """The lowest level at which there are few enough buckets of ascending keys."""
    key = carray(pointer(keys), (size,), np.int64)
    edges = np.zeros(SHIFT + 2, dtype=np.int64)
    for i in range(1, size):
        # Keys that follow each other share a bucket from the level on at which their highest differing bit is dropped.
        differing = key[i] ^ key[i - 1]
        bits = 0
        if differing < 0 or differing >> SHIFT != 0:
            bits = SHIFT + 1
        else:
            for step in (32, 16, 8, 4, 2, 1):
                if differing >> step != 0:
                    differing >>= step
                    bits += step
            bits += int(differing != 0)
        edges[bits] += 1
    if edges[SHIFT + 1] >= FEW_BUCKETS:
        return SHIFT
    level, buckets = SHIFT, 1 + edges[SHIFT + 1]
    while level > 0 and buckets + edges[level] <= MOST_BUCKETS:
        buckets += edges[level]
        level -= 1
    return level


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
