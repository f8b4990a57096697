"""Whether two weighted samples follow the same distribution: the Kolmogorov-Smirnov distance and its p-value."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mlaas4hep.training.metrics._arrays import Floats, weights

__all__ = ["effective_number", "kolmogorov", "ks_distance", "ks_test"]


def effective_number(weight: ArrayLike, squares: Floats | None = None) -> float:
    """Return the number of unweighted events with the same relative error: (sum w)^2 / sum w^2; 0 for no events.

    Source: L. Kish, Survey Sampling (1965), section 8.2; in the field ROOT's ``TH1::GetEffectiveEntries``.
    """
    w = np.asarray(weight, dtype=np.float64)
    total = float((w**2 if squares is None else squares).sum())
    return float(w.sum()) ** 2 / total if total > 0.0 else 0.0


def kolmogorov(z: float) -> float:
    """Probability that Kolmogorov's statistic exceeds ``z``: 2 sum_k (-1)^(k-1) exp(-2 k^2 z^2).

    Source: F. James, Statistical Methods in Experimental Physics, 2nd edition (2006), section 11.4.2.
    """
    if z < 0.2:  # the series converges slowly there, and the probability is 1 - 5e-13 or more
        return 1.0
    k = np.arange(1, 101, dtype=np.float64)
    terms = np.where(k % 2 == 1, 1.0, -1.0) * np.exp(-2.0 * (k * z) ** 2)
    return float(np.clip(2.0 * terms.sum(), 0.0, 1.0))


def ks_distance(first: ArrayLike, second: ArrayLike, w1: ArrayLike | None = None, w2: ArrayLike | None = None) -> float:
    """Largest distance between the two cumulative distributions.

    Args:
        first: values [N], finite.
        second: values [M], finite.
        w1: weights [N], any sign; None: 1 for every value.
        w2: weights [M].

    Returns:
        The distance; NaN where the weights of a sample do not sum to more than 0.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    points = np.unique(np.concatenate([a, b]))
    difference = _cdf(a, weights(w1, len(a)), points) - _cdf(b, weights(w2, len(b)), points)
    return float(np.abs(difference).max()) if len(points) else float("nan")


def _cdf(values: Floats, weight: Floats, points: Floats) -> Floats:
    """Share of the weights of values not above each point, float64 [points]."""
    order = np.argsort(values, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(weight[order])])
    if not sums[-1] > 0.0:
        return np.full(len(points), np.nan)
    return np.asarray(sums[np.searchsorted(values[order], points, side="right")] / sums[-1], dtype=np.float64)


def ks_test(
    first: ArrayLike,
    second: ArrayLike,
    w1: ArrayLike | None = None,
    w2: ArrayLike | None = None,
    *,
    squares: tuple[Floats, Floats] | None = None,
) -> tuple[float, float]:
    """Two-sample Kolmogorov-Smirnov test with weights.

    The p-value is Kolmogorov's limit for large samples at ``distance * sqrt(n1 n2 / (n1 + n2))``, with the effective
    numbers of events in the place of n1 and n2 (James, as for `kolmogorov`; so does ROOT's ``TH1::KolmogorovTest``).

    Args:
        first: values [N], finite.
        second: values [M], finite.
        w1: weights [N], any sign; None: 1 for every value.
        w2: weights [M].
        squares: sums of squared weights [N] and [M], where a value stands for several events; None: ``w1**2, w2**2``.

    Returns:
        Distance and p-value; both NaN where the weights of a sample do not sum to more than 0.
    """
    distance = ks_distance(first, second, w1, w2)
    if np.isnan(distance):
        return distance, distance
    one, two = squares if squares is not None else (None, None)
    n1 = effective_number(weights(w1, len(np.asarray(first))), one)
    n2 = effective_number(weights(w2, len(np.asarray(second))), two)
    return distance, kolmogorov(distance * float(np.sqrt(n1 * n2 / (n1 + n2))))
