"""ROC curve, area under it, and efficiency and purity against the threshold, all with weights of either sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mlaas4hep.training.metrics._arrays import Floats, flat_scores, labels, weights

__all__ = [
    "Cumulative",
    "EfficiencyPurity",
    "Roc",
    "cumulative",
    "efficiency_purity",
    "roc_auc",
    "roc_curve",
]


@dataclass(frozen=True, slots=True)
class Cumulative:
    """What a cut ``score >= threshold`` selects, for every distinct score.

    Attributes:
        thresholds: the distinct scores, descending, float64 [T].
        signal: sum of the weights of the selected events of class 1, float64 [T].
        background: the same of class 0, float64 [T].
    """

    thresholds: Floats
    signal: Floats
    background: Floats


@dataclass(frozen=True, slots=True)
class Roc:
    """A ROC curve.

    Attributes:
        fpr: selected share of the background, float64 [T + 1], from 0 to 1.
        tpr: selected share of the signal, float64 [T + 1], from 0 to 1.
        thresholds: float64 [T + 1], descending; the first is infinite and selects nothing.
    """

    fpr: Floats
    tpr: Floats
    thresholds: Floats

    @property
    def area(self) -> float:
        """Area under the curve by the trapezoidal rule, which counts ties half; NaN where the curve is."""
        if np.isnan(self.fpr[-1]) or np.isnan(self.tpr[-1]):
            return float("nan")
        return float(np.sum(np.diff(self.fpr) * (self.tpr[1:] + self.tpr[:-1]) / 2.0))


@dataclass(frozen=True, slots=True)
class EfficiencyPurity:
    """Efficiency and purity of the selection ``score >= threshold``.

    Attributes:
        thresholds: the distinct scores, ascending, float64 [T].
        efficiency: selected signal / all signal, float64 [T].
        purity: selected signal / all selected, float64 [T]; NaN where the selected weights do not sum to more than 0.
    """

    thresholds: Floats
    efficiency: Floats
    purity: Floats


def cumulative(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> Cumulative:
    """Sums of weights above every threshold.

    Args:
        y: class indices [N], 1 is the signal.
        score: [N] or [N, 1], finite.
        weight: [N], any sign; None: 1 for every event.
    """
    truth = labels(y)
    value = flat_scores(score, len(truth))
    w = weights(weight, len(truth))
    order = np.argsort(-value, kind="stable")
    value, truth, w = value[order], truth[order], w[order]
    last = np.flatnonzero(np.append(np.diff(value) != 0.0, True)) if len(value) else np.zeros(0, dtype=np.int64)
    signal = np.cumsum(np.where(truth == 1, w, 0.0))
    background = np.cumsum(np.where(truth == 1, 0.0, w))
    return Cumulative(value[last], signal[last], background[last])


def roc_curve(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> Roc:
    """Return the weighted ROC curve, one point for each distinct score.

    With negative weights the curve is defined by the same cumulative sums and need not rise everywhere.

    Args:
        y: class indices [N], 1 is the signal.
        score: [N] or [N, 1], finite.
        weight: [N], any sign; None: 1 for every event.

    Returns:
        The curve; all NaN where the weights of a class do not sum to more than 0.

    Example:
        >>> roc_curve([0, 1], [0.2, 0.8]).tpr
        array([0., 1., 1.])
    """
    sums = cumulative(y, score, weight)
    thresholds = np.concatenate([[np.inf], sums.thresholds])
    return Roc(_share(sums.background), _share(sums.signal), thresholds)


def _share(sums: Floats) -> Floats:
    """Cumulative sums to shares of the last one, with a 0 in front."""
    full = np.concatenate([[0.0], sums])
    return full / full[-1] if full[-1] > 0.0 else np.full(len(full), np.nan)


def roc_auc(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the weighted Mann-Whitney statistic with ties counted half.

    It is the sum over all pairs of a signal and a background event of ``w_s * w_b * [score_s > score_b]`` (one half for
    equal scores), divided by the sum of ``w_s * w_b`` (Fawcett, Pattern Recognition Letters 27 (2006) 861). Negative
    weights enter with their sign, so that the result may then lie outside 0 to 1.

    Args:
        y: class indices [N], 1 is the signal.
        score: [N] or [N, 1], finite.
        weight: [N], any sign; None: 1 for every event.

    Returns:
        The area; NaN where the weights of a class do not sum to more than 0.

    Example:
        >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    return roc_curve(y, score, weight).area


def efficiency_purity(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> EfficiencyPurity:
    """Efficiency and purity against the threshold.

    Args:
        y: class indices [N], 1 is the signal.
        score: [N] or [N, 1], finite.
        weight: [N], any sign; None: 1 for every event.

    Returns:
        One point for each distinct score; the efficiency is NaN where the signal's weights do not sum to more than 0.
    """
    sums = cumulative(y, score, weight)
    selected = sums.signal + sums.background
    purity = np.full(len(selected), np.nan)
    np.divide(sums.signal, selected, out=purity, where=selected > 0.0)
    return EfficiencyPurity(sums.thresholds[::-1], _share(sums.signal)[1:][::-1], purity[::-1])
