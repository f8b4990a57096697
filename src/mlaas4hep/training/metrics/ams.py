"""The approximate median significance (AMS) of a cut on the score, its best threshold and its statistical error.

With s and b the sums of the weights of the selected signal and background events and a regularisation b_r,

    AMS = sqrt(2 ((s + b + b_r) ln(1 + s / (b + b_r)) - s))

Source: C. Adam-Bourdarios et al., "The Higgs boson machine learning challenge", JMLR Workshop and Conference
Proceedings 42 (2015) 19 (the challenge of 2014); the formula without b_r is in G. Cowan et al., Eur. Phys. J. C 71
(2011) 1554, eq. 97.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from mlaas4hep.training.metrics._arrays import Floats, flat_scores, labels, weights
from mlaas4hep.training.metrics.curves import cumulative
from mlaas4hep.training.metrics.parts import Column
from mlaas4hep.training.metrics.threshold import threshold_below

__all__ = [
    "B_R",
    "MINIMUM_BACKGROUND",
    "Scale",
    "ams",
    "best_threshold",
    "bootstrap_error",
    "class_scales",
    "scan",
    "selected_sums",
]

MINIMUM_BACKGROUND = 10
"""Background events above a threshold that is reported, so that their sum of weights is measured at all."""

B_R = 10.0
"""Regularisation of the background, in events, as in the challenge."""

Scale = tuple[float, float]
"""Factors for the weights of background and signal, in the order of the class indices."""

_BLOCK = 4_000_000


def ams(signal: ArrayLike, background: ArrayLike, b_r: float = B_R) -> Floats:
    """AMS of selected signal s and background b, elementwise.

    Args:
        signal: sums of weights s, any shape.
        background: sums of weights b, same shape.
        b_r: regularisation, in events.

    Returns:
        float64 of the same shape. NaN (undefined) where s or b is negative, which sums of negative weights can be,
        and where ``b + b_r`` is 0.

    Example:
        >>> float(ams(0.0, 5.0))
        0.0
    """
    s, b = np.broadcast_arrays(np.asarray(signal, dtype=np.float64), np.asarray(background, dtype=np.float64))
    defined = (s >= 0.0) & (b >= 0.0) & (b + b_r > 0.0)
    expected = np.where(defined, b + b_r, 1.0)
    excess = np.where(defined, s, 0.0)
    squared = 2.0 * ((excess + expected) * np.log1p(excess / expected) - excess)
    return np.where(defined, np.sqrt(np.maximum(squared, 0.0)), np.nan)


def class_scales(y: ArrayLike, weight: ArrayLike | None, totals: Sequence[float]) -> Scale:
    """Factors that scale one part of a sample to the whole, class by class.

    Args:
        y: class indices [N] of the part.
        weight: [N] weights of the part; None: 1 for every event.
        totals: sums of weights of (background, signal) in the full sample.

    Returns:
        ``totals[k] / (sum of the part's weights of class k)``; NaN where the part's sum is not positive.
    """
    truth = labels(y)
    w = weights(weight, len(truth))
    factors = []
    for index in (0, 1):
        part = float(w[truth == index].sum())
        factors.append(float(totals[index]) / part if part > 0.0 else float("nan"))
    return factors[0], factors[1]


def scan(
    y: ArrayLike,
    score: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    scale: Scale = (1.0, 1.0),
    b_r: float = B_R,
) -> tuple[Floats, Floats]:
    """AMS of the selection ``score >= threshold`` for every distinct score.

    Args:
        y: class indices [N], 1 is the signal.
        score: [N] or [N, 1], finite.
        weight: [N]; None: 1 for every event.
        scale: factors for background and signal, see `class_scales`.
        b_r: regularisation, in events.

    Returns:
        The thresholds, ascending, and the AMS, both float64 [T]; NaN where undefined (see `ams`).
    """
    sums = cumulative(y, score, weight)
    values = ams(sums.signal * scale[1], sums.background * scale[0], b_r)
    return sums.thresholds[::-1], values[::-1]


def best_threshold(
    column: Column,
    *,
    scale: Scale = (1.0, 1.0),
    b_r: float = B_R,
    minimum_background: int = 0,
) -> tuple[float, float]:
    """Return the threshold with the largest AMS; to be chosen on validation events, never on test events.

    Beyond the last background events the sum b is not known to be small, only not measured, and the AMS is greatest
    there by chance: ``minimum_background`` keeps the threshold away from that region.

    Args:
        column: events, or groups of events: class 1 is the signal.
        scale: factors for background and signal, see `class_scales`.
        b_r: regularisation, in events.
        minimum_background: background events (unweighted) that must be selected; fewer are accepted only if there are
            not so many in all.

    Returns:
        The threshold, between the lowest score that it selects and the next lower one (the lowest of several equally
        good), and its AMS; (NaN, NaN) where the AMS is nowhere defined.
    """
    scores, values = scan(column.y, column.score, column.weight, scale=scale, b_r=b_r)
    selected = cumulative(column.y, column.score, column.count).background[::-1]
    if len(selected) and selected[0] >= minimum_background > 0:
        values = np.where(selected >= minimum_background, values, np.nan)
    if not np.isfinite(values).any():
        return float("nan"), float("nan")
    best = int(np.nanargmax(values))
    lower = float(column.high[column.score == scores[best - 1]].max()) if best else None
    return threshold_below(float(column.low[column.score == scores[best]].min()), lower), float(values[best])


def selected_sums(
    y: ArrayLike, score: ArrayLike, weight: ArrayLike | None, threshold: float, scale: Scale = (1.0, 1.0)
) -> tuple[float, float]:
    """Scaled sums of weights (signal s, background b) of the events with ``score >= threshold``."""
    truth = labels(y)
    w = weights(weight, len(truth))
    keep = flat_scores(score, len(truth)) >= threshold
    return (
        float(w[keep & (truth == 1)].sum()) * scale[1],
        float(w[keep & (truth == 0)].sum()) * scale[0],
    )


def bootstrap_error(
    column: Column,
    threshold: float,
    *,
    scale: Scale = (1.0, 1.0),
    b_r: float = B_R,
    replicas: int = 200,
    seed: int = 0,
) -> float:
    """Statistical error of the AMS at a fixed threshold, by a Poisson bootstrap.

    In every replica each event counts as often as a Poisson number with mean 1 says. As n events of equal weight then
    count a Poisson number with mean n in all, only that is drawn; for groups of many events a normal number of the same
    mean and variance. Threshold and scale stay fixed.

    Args:
        column: events, or groups of events: class 1 is the signal.
        threshold: selected are the events with ``score >= threshold``.
        scale: factors for background and signal, see `class_scales`.
        b_r: regularisation, in events.
        replicas: number of replicas, at least 2.
        seed: the same seed gives the same error, whatever the order of the events.

    Returns:
        Standard deviation of the replicas' AMS; NaN if fewer than two of them are defined.
    """
    selected = column.where(column.score >= threshold)
    rng = np.random.default_rng(seed)
    s = _replicas(selected.where(selected.y == 1), replicas, rng) * scale[1]
    b = _replicas(selected.where(selected.y == 0), replicas, rng) * scale[0]
    values = ams(s, b, b_r)
    values = values[np.isfinite(values)]
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _replicas(column: Column, replicas: int, rng: np.random.Generator) -> Floats:
    """Sums of the weights in each replica, float64 [replicas]."""
    if column.grouped:
        return rng.normal(column.weight.sum(), np.sqrt(column.squares.sum()), replicas)
    distinct, counts = np.unique(column.weight, return_counts=True)
    sums = np.zeros(replicas)
    step = max(1, _BLOCK // replicas)
    for start in range(0, len(distinct), step):
        block = slice(start, start + step)
        sums += rng.poisson(counts[block], size=(replicas, len(distinct[block]))) @ distinct[block]
    return sums
