"""Sums of floating-point numbers that do not depend on the order of the numbers.

Every finite float64 is a whole multiple of 2**-1074, so a sum of them can be kept as one (long) integer: exact,
associative and commutative. Results merged from chunks, files or machines are therefore the same bit by bit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ExactSum"]

_UNIT = 1074  # the smallest positive float64 is 2**-1074
_MANTISSA = 53
_LOW = 26  # bits of the lower part of a mantissa
_BLOCK = 1 << 25  # this many parts of up to 27 bits are summed exactly in float64
_FORM = re.compile(r"(-?)0x([0-9a-f]{1,4096})p(-?[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class ExactSum:
    """The exact sum of any number of float64 values.

    Attributes:
        units: the sum in units of 2**-1074.

    Example:
        >>> ExactSum.of([1e100, 1.0, -1e100]).value()
        1.0
    """

    units: int = 0

    @staticmethod
    def of(values: ArrayLike) -> ExactSum:
        """Return the sum of some numbers.

        Args:
            values: any shape, converted to float64.

        Raises:
            ValueError: a value is NaN or infinite.
        """
        numbers = np.asarray(values, dtype=np.float64).reshape(-1)
        if not np.isfinite(numbers).all():
            msg = "NaN or infinite values have no exact sum"
            raise ValueError(msg)
        return ExactSum(sum(_block(numbers[start : start + _BLOCK]) for start in range(0, len(numbers), _BLOCK)))

    def merge(self, other: ExactSum) -> ExactSum:
        """Return the sum of both."""
        return ExactSum(self.units + other.units)

    __add__ = merge

    def value(self) -> float:
        """Return the float64 nearest to the exact sum (halves to even), infinite if it is too large."""
        try:
            return self.units / (1 << _UNIT)
        except OverflowError:
            return float("inf") if self.units > 0 else float("-inf")

    def to_json(self) -> str:
        """The exact sum as text, ``0x<mantissa>p<exponent>`` with an odd mantissa: equal sums give equal text."""
        if not self.units:
            return "0x0p0"
        zeros = (self.units & -self.units).bit_length() - 1
        return f"{self.units >> zeros:#x}p{zeros - _UNIT}"

    @staticmethod
    def from_json(text: object) -> ExactSum:
        """Return what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        match = _FORM.fullmatch(text) if isinstance(text, str) else None
        shift = _UNIT + int(match[3]) if match else -1
        if match is None or not 0 <= shift <= 2 * _UNIT + 1024:
            msg = f"not an exact sum: {text!r}"
            raise ValueError(msg)
        units = int(match[2], 16) << shift
        return ExactSum(-units if match[1] else units)


def _block(numbers: NDArray[np.float64]) -> int:
    """Sum of up to `_BLOCK` finite numbers in units of 2**-1074: mantissas are added for each exponent."""
    fractions, exponents = np.frexp(numbers)
    mantissas = np.ldexp(fractions, _MANTISSA).astype(np.int64)
    if not len(mantissas):
        return 0
    first = int(exponents.min())
    bins = exponents - first
    high: NDArray[Any] = np.bincount(bins, weights=mantissas >> _LOW)
    low: NDArray[Any] = np.bincount(bins, weights=mantissas & ((1 << _LOW) - 1))
    total = 0
    for index in np.flatnonzero((high != 0) | (low != 0)):
        mantissa = (int(high[index]) << _LOW) + int(low[index])
        shift = first + int(index) - _MANTISSA + _UNIT
        # Below 2**-1021 the last bits of every mantissa are zero, so nothing is lost to the right.
        total += mantissa << shift if shift >= 0 else mantissa >> -shift
    return total
