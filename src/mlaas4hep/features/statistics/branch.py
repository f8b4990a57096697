"""Statistics of one branch as a monoid: any partition of the events, in any order, gives the same bits.

Minimum, maximum and counts merge exactly by nature. The moments are made exact: a float64 value is an integer of 53
bits times a power of two, so the sums of values and of squares are kept as integers, one for each exponent. Quantiles
come from a `Sketch`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.statistics.counts import count_small, merge_counts
from mlaas4hep.features.statistics.sketch import Sketch
from mlaas4hep.features.statistics.sweep import FEATURES, LARGE, LOW, SPLIT, SUMS, Swept, keys_of, sweep

__all__ = ["Lengths", "Moments", "Number", "Real", "ValueStatistics", "number_text", "sentinels"]

Int64s = NDArray[np.int64]
Number: TypeAlias = int | float

_EXACT = 2.0**53
_SINGLE = 2**24  # whole numbers up to here are exact as float32
_UNIT = 1074  # the smallest positive float64 is 2^-1074


@dataclass(frozen=True, eq=False)
class Moments:
    """Exact sums of values and squares by exponent; one instance holds up to 2^36 values.

    Attributes:
        exponent: exponent field of the first row.
        sums: int64 [e, 8], one row an exponent; see `Swept`.
    """

    exponent: int
    sums: Int64s

    def __add__(self, other: Moments) -> Moments:
        if not len(self.sums) or not len(other.sums):
            return self if len(self.sums) else other
        if self.exponent == other.exponent and len(self.sums) == len(other.sums):
            return Moments(self.exponent, self.sums + other.sums)
        first = min(self.exponent, other.exponent)
        last = max(self.exponent + len(self.sums), other.exponent + len(other.sums))
        sums = np.zeros((last - first, SUMS), dtype=np.int64)
        for part in (self, other):
            sums[part.exponent - first : part.exponent - first + len(part.sums)] += part.sums
        return Moments(first, sums)

    def rows(self) -> list[list[int]]:
        """Exponent and sums of the rows that are not zero; the same whatever the order of merging."""
        sums = self.sums.copy()
        sums[:, 2::2] += sums[:, 3::2] >> LOW
        sums[:, 3::2] &= (1 << LOW) - 1
        return [[self.exponent + n, *row] for n, row in enumerate(sums.tolist()) if any(row)]

    def total(self) -> Fraction:
        """Return the exact sum of the values."""
        integer = sum(((row[0] << SPLIT) + row[1]) << power for power, row in self._rows())
        return Fraction(integer, 1 << _UNIT)

    def squares(self) -> Fraction:
        """Return the exact sum of the squares."""
        integer = 0
        for power, row in self._rows():
            high, both, low = ((row[k] << LOW) + row[k + 1] for k in (2, 4, 6))
            integer += ((high << 2 * SPLIT) + (both << (SPLIT + 1)) + low) << 2 * power
        return Fraction(integer, 1 << 2 * _UNIT)

    def _rows(self) -> list[tuple[int, list[int]]]:
        """Rows that are not zero; a mantissa in them counts 2^(power - 1074)."""
        return [(self.exponent + n - 1, row) for n, row in enumerate(self.sums.tolist()) if any(row)]


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
        """Return the smallest length that is enough for a share ``q`` of the events."""
        if not len(self.lengths):
            return 0
        reached = np.cumsum(self.counts)
        index = int(np.searchsorted(reached / reached[-1], q, side="left"))
        return int(self.lengths[min(index, len(reached) - 1)])

    def kept(self, length: int) -> int:
        """Return how many values the first ``length`` of every list are."""
        return int((np.minimum(self.lengths, length) * self.counts).sum())


@dataclass(frozen=True, eq=False)
class Real:
    """Real values: those that are neither missing nor infinite.

    Attributes:
        count: how many.
        rounded: how many of them float32 does not hold exactly.
        low, high: smallest and largest as stored: an integer where one is an integer, whatever the order of merging;
            inf and -inf without any.
    """

    count: int
    rounded: int
    low: Number
    high: Number
    moments: Moments
    sketch: Sketch

    def __add__(self, other: Real) -> Real:
        return Real(
            self.count + other.count,
            self.rounded + other.rounded,
            min(self.low, other.low, key=lambda number: (number, isinstance(number, float))),
            max(self.high, other.high, key=lambda number: (number, isinstance(number, int))),
            self.moments + other.moments,
            self.sketch + other.sketch,
        )

    @property
    def mean(self) -> float:
        """Mean, correctly rounded; NaN without any."""
        return _rounded(self.moments.total() / self.count) if self.count else math.nan

    @property
    def std(self) -> float:
        """Standard deviation (divisor n), from exact sums; NaN without any."""
        if not self.count:
            return math.nan
        mean = self.moments.total() / self.count
        return _root(self.moments.squares() / self.count - mean * mean)

    def quantile(self, q: float) -> float:
        """Quantile; see `Sketch.quantile`. NaN without any."""
        return min(max(self.sketch.quantile(q)[0], float(self.low)), float(self.high)) if self.count else math.nan

    @property
    def robust_spread(self) -> float:
        """Half the distance between the 16 % and 84 % quantiles."""
        return (self.quantile(0.84) - self.quantile(0.16)) / 2.0

    def quantile_error(self, q: float) -> float:
        """By how much the quantile may be wrong at most; NaN without any."""
        return self.sketch.quantile(q)[1]


@dataclass(frozen=True, eq=False)
class ValueStatistics:
    """All there is to know of the values of a branch (of all list items, if it is jagged).

    What is asked of it directly is about the values that can be features: finite as float32.

    Attributes:
        count: number of values, missing ones included.
        missing: NaN, or equal to a value that means missing.
        infinite: plus or minus infinity (treated as missing too).
        features: real values that can be features.
        large: real values that float32 cannot hold (treated as missing too); None without any.
    """

    count: int
    missing: int
    infinite: int
    features: Real
    large: Real | None = None

    @staticmethod
    def of(values: NDArray[Any], missing: NDArray[Any], ranges: Int64s | None = None) -> ValueStatistics:
        """From numbers of any dtype, shape [n].

        Args:
            values: [n].
            missing: values that mean missing, [k].
            ranges: only these, first and last + 1 position of each range, int64 [r, 2]. None: all.

        Raises:
            IndexError: a range reaches beyond the values.
        """
        wanted = np.array([[0, len(values)]]) if ranges is None else ranges.reshape(-1, 2)
        numbers = np.ascontiguousarray(values, dtype=_type_for(values))
        absent = sentinels(missing)
        found, features = _real(numbers, absent, wanted, FEATURES)
        if values.dtype.kind in "biu" and found.real:
            low, high = _exact(values, absent, wanted, found.low, found.high)
            features = replace(features, low=low, high=high)
        large = _real(numbers, absent, wanted, LARGE)[1] if found.other else None
        count = found.missing + found.infinite + found.other + found.real
        return ValueStatistics(count, found.missing, found.infinite, features, large)

    def __add__(self, other: ValueStatistics) -> ValueStatistics:
        large = self.large + other.large if self.large and other.large else self.large or other.large
        return ValueStatistics(
            self.count + other.count,
            self.missing + other.missing,
            self.infinite + other.infinite,
            self.features + other.features,
            large,
        )

    @property
    def stored(self) -> Real:
        """All real values, also those that cannot be features."""
        return self.features + self.large if self.large else self.features

    @property
    def real(self) -> int:
        """Number of values that can be features: neither missing nor infinite, nor too large for float32."""
        return self.features.count

    @property
    def low(self) -> Number:
        """The smallest one."""
        return self.features.low

    @property
    def high(self) -> Number:
        """The largest one."""
        return self.features.high

    @property
    def mean(self) -> float:
        """Their mean, correctly rounded; NaN without any."""
        return self.features.mean

    @property
    def std(self) -> float:
        """Their standard deviation; NaN without any."""
        return self.features.std

    def quantile(self, q: float) -> float:
        """Quantile of them; see `Real.quantile`."""
        return self.features.quantile(q)


def sentinels(missing: Any) -> NDArray[np.float64]:
    """Return the values that mean missing, float64 [k]: as they are, and as a file of float32 has them."""
    exact: NDArray[np.float64] = np.asarray(missing, dtype=np.float64).reshape(-1)
    return _sentinels(exact.tobytes()) if len(exact) else exact


@lru_cache(maxsize=16)
def _sentinels(content: bytes) -> NDArray[np.float64]:
    exact = np.frombuffer(content)
    with np.errstate(over="ignore"):
        both = np.concatenate([exact, exact.astype(np.float32).astype(np.float64)])
    return np.unique(both[~np.isnan(both)])


def number_text(number: Number) -> str:
    """Return a stored number in the fewest digits that are this number and no other of its type."""
    if isinstance(number, int) or not math.isfinite(number):
        return str(number)
    with np.errstate(over="ignore"):
        single = np.float32(number)
    return str(single) if float(single) == number else repr(number)


def _real(
    numbers: NDArray[Any], absent: NDArray[np.float64], ranges: Int64s, wanted: tuple[int, int]
) -> tuple[Swept, Real]:
    found = sweep(numbers, absent, ranges, wanted)
    sketch = Sketch.of(found, lambda: keys_of(numbers, absent, ranges, found.real, wanted))
    moments = Moments(found.exponent, found.sums)
    return found, Real(found.real, found.rounded, found.low, found.high, moments, sketch)


def _type_for(values: NDArray[Any]) -> type[np.float32] | type[np.float64]:
    """The smaller type that holds all of them exactly, where that is quickly told."""
    if np.can_cast(values.dtype, np.float32):
        return np.float32
    if values.dtype.kind in "iu" and len(values) and values.max() <= _SINGLE and values.min() >= -_SINGLE:
        return np.float32
    return np.float64


def _exact(
    values: NDArray[Any], absent: NDArray[np.float64], ranges: Int64s, low: float, high: float
) -> tuple[int, int]:
    """The extremes of integers as they are stored, also where float64 would round them."""
    if max(-low, high) <= _EXACT:
        return int(low), int(high)
    chosen = np.concatenate([values[a:b] for a, b in ranges.tolist()])
    chosen = chosen[~np.isin(chosen.astype(np.float64), absent)]
    return int(chosen.min()), int(chosen.max())


def _rounded(number: Fraction) -> float:
    """The nearest float64; what lies beyond them is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _root(square: Fraction) -> float:
    """Square root, also where the square itself is beyond or below float64."""
    power = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(float(square / Fraction(4) ** power)), power)
