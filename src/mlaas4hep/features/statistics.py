"""Statistics of one branch as a monoid: any partition of the events, in any order, gives the same bits.

Minimum, maximum and counts merge exactly by nature. The moments are made exact: a float32 value is an integer of 24
bits times a power of two, so the sums of values and of squares are kept as integers, one for each exponent. The
quantiles come from a histogram of the float32 bit patterns, cut after 8 bits of mantissa: 131072 buckets at most, of a
relative width of 2^-8, so that a quantile is wrong by at most 0.4 % of its value and merging is a sum of counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.counts import count_small, merge_counts
from mlaas4hep.features.sweep import LOW_BITS, SHIFT, pieces, sweep

__all__ = ["QUANTILE_ERROR", "Lengths", "Moments", "Sketch", "ValueStatistics"]

QUANTILE_ERROR = 2.0**-8
Int64s = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Exact sums of values and squares by exponent; one instance holds up to 2^39 values.

    Attributes:
        sums: int64 [3, 256], of mantissas with their sign, and of their squares: multiples of 2^24, and the rest below.
    """

    sums: Int64s

    def __add__(self, other: Moments) -> Moments:
        sums = self.sums + other.sums
        sums[1] += sums[2] >> LOW_BITS
        sums[2] &= (1 << LOW_BITS) - 1
        return Moments(sums)

    def total(self) -> Fraction:
        """The exact sum of the values."""
        return _by_exponent(self.sums[0], 1)

    def squares(self) -> Fraction:
        """The exact sum of the squares."""
        return _by_exponent(self.sums[1], 2) * (1 << LOW_BITS) + _by_exponent(self.sums[2], 2)


def _by_exponent(sums: Int64s, power: int) -> Fraction:
    scale = 150 * power
    integer = sum(int(sums[e]) << (int(e) * power) for e in np.flatnonzero(sums))
    return Fraction(integer, 1 << scale)


@dataclass(frozen=True, eq=False)
class Sketch:
    """Counts of values by float32 bucket: sorted bucket numbers and their counts."""

    keys: Int64s
    counts: Int64s

    def __add__(self, other: Sketch) -> Sketch:
        return Sketch(*merge_counts(self.keys, self.counts, other.keys, other.counts))

    def quantile(self, q: float, low: float, high: float) -> float:
        """Value below which a share ``q`` of the values lies, between the true minimum and maximum.

        The bucket is exact; inside it the position is interpolated. NaN without values.
        """
        total = int(self.counts.sum())
        if total == 0:
            return math.nan
        order = np.argsort(_bucket_edge(self.keys), kind="stable")
        counts = self.counts[order]
        reached = np.cumsum(counts)
        rank = q * (total - 1) + 0.5
        index = min(int(np.searchsorted(reached, rank, side="left")), len(order) - 1)
        key = self.keys[order[index]]
        a, b = float(_bucket_edge(key)), float(_bucket_edge(key + 1))
        share = (rank - float(reached[index] - counts[index])) / float(counts[index])
        if math.isinf(b) or key == 0:  # the last bucket ends at infinity; in the first one is zero itself
            b = a
        return float(min(max(a + (b - a) * min(max(share, 0.0), 1.0), low), high))


def _bucket_edge(keys: Any) -> Any:
    """The value of smallest magnitude in a bucket."""
    return (np.asarray(keys, dtype=np.uint32) << np.uint32(SHIFT)).view(np.float32).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Lengths:
    """How many events have a list of each length: sorted lengths and their counts."""

    lengths: Int64s
    counts: Int64s

    @staticmethod
    def of(counts: Int64s) -> Lengths:
        """From the length of each event's list, int64 [events]."""
        return Lengths(*count_small(counts))

    def __add__(self, other: Lengths) -> Lengths:
        return Lengths(*merge_counts(self.lengths, self.counts, other.lengths, other.counts))

    @property
    def maximum(self) -> int:
        """The longest list; 0 without events."""
        return int(self.lengths[-1]) if len(self.lengths) else 0

    def quantile(self, q: float) -> int:
        """The smallest length that is enough for a share ``q`` of the events."""
        if not len(self.lengths):
            return 0
        reached = np.cumsum(self.counts)
        index = int(np.searchsorted(reached / reached[-1], q, side="left"))
        return int(self.lengths[min(index, len(reached) - 1)])


@dataclass(frozen=True, eq=False)
class ValueStatistics:
    """All there is to know of the values of a branch (of all list items, if it is jagged).

    Attributes:
        count: number of values, missing ones included.
        missing: NaN, or equal to a value that means missing.
        infinite: plus or minus infinity (treated as missing too).
        low, high: smallest and largest real value as float32; inf and -inf without any.
    """

    count: int
    missing: int
    infinite: int
    low: float
    high: float
    moments: Moments
    sketch: Sketch

    @staticmethod
    def of(values: NDArray[Any], missing: NDArray[np.float32], ranges: Int64s | None = None) -> ValueStatistics:
        """From numbers of any dtype, shape [n]; they are looked at as float32, as the features are.

        Args:
            values: [n].
            missing: values that mean missing, float32 [k].
            ranges: only these, first and last + 1 position of each range, int64 [r, 2]. None: all.

        Raises:
            IndexError: a range reaches beyond the values.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            single = np.ascontiguousarray(values, dtype=np.float32)
        wanted = np.array([[0, len(single)]]) if ranges is None else ranges
        return reduce(ValueStatistics.__add__, (_of(single, missing, part) for part in pieces(wanted)))

    def __add__(self, other: ValueStatistics) -> ValueStatistics:
        return ValueStatistics(
            self.count + other.count,
            self.missing + other.missing,
            self.infinite + other.infinite,
            min(self.low, other.low),
            max(self.high, other.high),
            self.moments + other.moments,
            self.sketch + other.sketch,
        )

    @property
    def real(self) -> int:
        """Number of values that are neither missing nor infinite."""
        return self.count - self.missing - self.infinite

    @property
    def mean(self) -> float:
        """Mean of the real values, correctly rounded; NaN without any."""
        return float(self.moments.total() / self.real) if self.real else math.nan

    @property
    def std(self) -> float:
        """Standard deviation of the real values (divisor n), from exact sums; NaN without any."""
        if not self.real:
            return math.nan
        mean = self.moments.total() / self.real
        return math.sqrt(float(self.moments.squares() / self.real - mean * mean))

    def quantile(self, q: float) -> float:
        """Quantile of the real values with a relative error of at most `QUANTILE_ERROR`."""
        return self.sketch.quantile(q, self.low, self.high)


def _of(values: NDArray[np.float32], missing: NDArray[np.float32], ranges: Int64s) -> ValueStatistics:
    (absent, infinite), (low, high), keys, counts, sums = sweep(values, missing, ranges)
    count = int((ranges[:, 1] - ranges[:, 0]).sum())
    return ValueStatistics(count, absent, infinite, low, high, Moments(sums), Sketch(keys, counts))
