"""A threshold between two scores, with few digits: it selects the same events wherever it is used or printed."""

from __future__ import annotations

import numpy as np

__all__ = ["threshold_below"]

_DIGITS = 17
"""Decimal digits that tell any two numbers of double precision apart."""


def threshold_below(score: float, lower: float | None = None) -> float:
    """Return a threshold that selects events from ``score`` on and none at ``lower`` or below.

    It is halfway between the two, rounded to the fewest decimal digits that keep it there: as ``repr`` prints it, read
    in single or double precision, and for scores that differ by rounding (a converted model, another runtime), it
    selects the same events.

    Args:
        score: the lowest score to be selected, as float32 holds it.
        lower: the highest score that is not to be selected; None if all are.

    Example:
        >>> threshold_below(0.73125, 0.7309), threshold_below(0.5)
        (0.7311, 0.3)
    """
    top, bottom = np.float32(score), np.float32(lower if lower is not None else _somewhat_below(score))
    middle = (float(score) + float(bottom)) / 2.0
    for digits in range(1, _DIGITS + 1):
        cut = float(f"{middle:.{digits}g}")
        if bottom < np.float32(cut) <= top and float(bottom) < cut <= float(score):
            return cut
    return float(score)  # neighbours in single precision: nothing lies between them


def _somewhat_below(score: float) -> float:
    """A lower score of the same sign where there is none."""
    return score / 2.0 if score > 0.0 else score - max(1.0, abs(score)) / 1024.0
