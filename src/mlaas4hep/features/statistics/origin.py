"""Branches that float32 would flatten: an origin is subtracted in float64 before a value becomes float32.

Times in seconds since 1970 that spread by a minute, or integers near 2^31, differ by less than a step of float32. As
differences from an origin they keep what makes them different.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.statistics.branch import Number, Real, sentinels

__all__ = ["from_origin", "less", "origin_of", "origin_of_range"]

STEPS = 1024
"""A branch whose spread is fewer steps of float32 than this gets an origin."""

_WORD = 1 << 64
_NEAR = 2.0**62


def from_origin(values: NDArray[Any], origin: float, missing: Iterable[float]) -> NDArray[np.float32]:
    """Differences from an origin, rounded once; NaN where a value means missing.

    The difference of integers is that of integers.

    Args:
        values: numbers of any dtype, [n].
        origin: of the branch; a whole number for integers.
        missing: values that mean missing.
    """
    absent = sentinels(tuple(missing))
    with np.errstate(over="ignore", invalid="ignore"):
        wide = values.astype(np.float64)
        difference = wide - origin
        if values.dtype.kind in "iu" and origin.is_integer():
            exact = (values.astype(np.uint64) - np.uint64(int(origin) % _WORD)).view(np.int64)
            difference = np.where(np.abs(difference) < _NEAR, exact, difference)
        single = difference.astype(np.float32)
    single[np.isin(wide, absent)] = np.nan
    return single


def less(number: Number | Fraction, origin: float) -> float:
    """Subtract an origin, rounding once: integers beyond 2^53 keep what makes them different."""
    return float(number) if not origin else float(Fraction(number) - Fraction(origin))


def origin_of(values: Real) -> float:
    """Return the origin that the values of a branch need; 0.0 if float32 holds what makes them different."""
    if not values.rounded:
        return 0.0
    whole_range = float(Fraction(values.high) - Fraction(values.low))
    spreads = [values.std, values.robust_spread, whole_range]
    spread = min((found for found in spreads if found > 0.0), default=0.0)
    return _origin(values.quantile(0.5), spread, whole=isinstance(values.low, int) and isinstance(values.high, int))


def origin_of_range(low: Number, high: Number) -> float:
    """Return the same where only smallest and largest value are known."""
    return _origin(float(low), float(high) - float(low), whole=float(low).is_integer() and float(high).is_integer())


def _origin(centre: float, spread: float, *, whole: bool) -> float:
    """A number of few digits near the centre, or 0.0."""
    with np.errstate(over="ignore"):
        step = float(np.spacing(np.float32(abs(centre))))
    if not 0.0 < spread < STEPS * step:
        return 0.0
    unit = math.ldexp(1.0, math.frexp(spread)[1] - 1)
    unit = max(unit, 1.0) if whole else unit
    return float(round(centre / unit) * unit)
