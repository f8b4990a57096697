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
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["QUANTILE_ERROR", "Lengths", "Moments", "Sketch", "ValueStatistics"]

QUANTILE_ERROR = 2.0**-8
_BUCKETS = 1 << 17
_SHIFT = 15
_EXPONENTS = 256

Int64s = NDArray[np.int64]


@numba.njit(nogil=True, cache=True)
def _accumulate(
    values: NDArray[np.float32],
    bits: NDArray[np.uint32],
    missing: NDArray[np.float32],
    histogram: Int64s,
    sums: Int64s,
) -> tuple[float, float, int, int]:
    """Add values to a histogram [131072] and to sums [3, 256] (of x, of x^2 in two halves); min, max, NaN, infinite."""
    low, high = np.inf, -np.inf
    n_missing = 0
    n_infinite = 0
    for i in range(len(values)):
        value = values[i]
        if np.isnan(value):
            n_missing += 1
            continue
        if np.isinf(value):
            n_infinite += 1
            continue
        absent = False
        for sentinel in missing:
            if value == sentinel:
                absent = True
        if absent:
            n_missing += 1
            continue
        low = min(low, value)
        high = max(high, value)
        pattern = np.int64(bits[i])
        if pattern == 0x80000000:
            pattern = np.int64(0)
        histogram[pattern >> 15] += 1
        exponent = (pattern >> 23) & 0xFF
        mantissa = pattern & 0x7FFFFF
        if exponent == 0:
            exponent = np.int64(1)
        else:
            mantissa |= 0x800000
        square = mantissa * mantissa
        sums[1, exponent] += square >> 24
        sums[2, exponent] += square & 0xFFFFFF
        if pattern >> 31:
            mantissa = -mantissa
        sums[0, exponent] += mantissa
    return low, high, n_missing, n_infinite


@dataclass(frozen=True, eq=False)
class Moments:
    """Exact sums of values and squares, int64 [3, 256]; one instance holds up to 2^39 values."""

    sums: Int64s

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.sums + other.sums)

    def total(self) -> Fraction:
        """The exact sum of the values."""
        return _by_exponent(self.sums[0], 1)

    def squares(self) -> Fraction:
        """The exact sum of the squares."""
        return _by_exponent(self.sums[1], 2) * (1 << 24) + _by_exponent(self.sums[2], 2)


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
        keys, inverse = np.unique(np.concatenate([self.keys, other.keys]), return_inverse=True)
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, inverse, np.concatenate([self.counts, other.counts]))
        return Sketch(keys, counts)

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
    return (np.asarray(keys, dtype=np.uint32) << np.uint32(_SHIFT)).view(np.float32).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Lengths:
    """How many events have a list of each length: sorted lengths and their counts."""

    lengths: Int64s
    counts: Int64s

    @staticmethod
    def of(counts: Int64s) -> Lengths:
        """From the length of each event's list, int64 [events]."""
        lengths, number = np.unique(counts, return_counts=True)
        return Lengths(lengths.astype(np.int64), number.astype(np.int64))

    def __add__(self, other: Lengths) -> Lengths:
        lengths, inverse = np.unique(np.concatenate([self.lengths, other.lengths]), return_inverse=True)
        counts = np.zeros(len(lengths), dtype=np.int64)
        np.add.at(counts, inverse, np.concatenate([self.counts, other.counts]))
        return Lengths(lengths, counts)

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
    def of(values: NDArray[Any], missing: NDArray[np.float32]) -> ValueStatistics:
        """From numbers of any dtype, shape [n]; they are looked at as float32, as the features are."""
        with np.errstate(over="ignore", invalid="ignore"):
            single = np.ascontiguousarray(values, dtype=np.float32)
        histogram = np.zeros(_BUCKETS, dtype=np.int64)
        sums = np.zeros((3, _EXPONENTS), dtype=np.int64)
        low, high, absent, infinite = _accumulate(single, single.view(np.uint32), missing, histogram, sums)
        keys = np.flatnonzero(histogram).astype(np.int64)
        sketch = Sketch(keys, histogram[keys])
        return ValueStatistics(len(single), absent, infinite, float(low), float(high), Moments(sums), sketch)

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
