"""How well an AUC is known: its statistical error, and what grouping scores adds to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.metrics._arrays import Floats
from mlaas4hep.training.metrics.parts import Column

__all__ = ["auc_error", "auc_grouping"]


def auc_error(column: Column) -> float:
    """Return the statistical error of the weighted AUC, from the spread of the placement values.

    The placement value of a signal event is the share of the background below it (ties count half), of a background
    event the share of the signal above it; the AUC is the mean of either. With v the placement values and w the weights
    of a class, the class gives ``sum w^2 (v - AUC)^2 / (sum w)^2`` to the variance, times ``n / (n - 1)`` with the
    effective number n of events. Without weights this is the error of E. DeLong, D. DeLong and D. Clarke-Pearson,
    Biometrics 44 (1988) 837.

    Args:
        column: class indices (1 is the signal), finite scores and weights.

    Returns:
        The error; NaN where a class has fewer than two effective events or no positive sum of weights.
    """
    order = np.argsort(column.score, kind="stable")
    rows = column.where(order)
    _, first = np.unique(rows.score, return_index=True)
    tie = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(rows.score))))
    signal = rows.y == 1
    below_signal, above = _placement(rows, ~signal, tie), _placement(rows, signal, tie)
    variance = 0.0
    for mine, share in ((signal, below_signal), (~signal, 1.0 - above)):
        weight, squares = rows.weight[mine], float(rows.squares[mine].sum())
        total = float(weight.sum())
        effective = total**2 / squares if squares > 0.0 else 0.0
        if not total > 0.0 or effective <= 1.0:
            return float("nan")
        mean = float((weight * share[mine]).sum()) / total
        spread = float((rows.squares[mine] * (share[mine] - mean) ** 2).sum()) / total**2
        variance += spread * effective / (effective - 1.0)
    return float(np.sqrt(variance))


def _placement(rows: Column, others: NDArray[np.bool_], tie: NDArray[np.int64]) -> Floats:
    """Share of the weight of ``others`` below each row, those with the same score counted half."""
    weight = np.where(others, rows.weight, 0.0)
    of_tie = np.bincount(tie, weight)
    total = of_tie.sum()
    if not total > 0.0:
        return np.full(len(tie), np.nan)
    return np.asarray(((np.cumsum(of_tie) - of_tie / 2.0) / total)[tie], dtype=np.float64)


def auc_grouping(column: Column) -> float:
    """Return the most by which an AUC of groups can differ from that of their events, whose order within them is lost.

    It holds for weights that are not negative.
    """
    distinct, place = np.unique(column.score, return_inverse=True)
    sums = []
    for mine in (column.y == 1, column.y != 1):
        weight = np.where(mine, column.weight, 0.0)
        sums.append((np.bincount(place, np.where(column.high > column.low, weight, 0.0), len(distinct)), weight.sum()))
    (signal, all_signal), (background, all_background) = sums
    full = float(all_signal * all_background)
    return float((signal * background).sum()) / 2.0 / full if full > 0.0 else float("nan")
