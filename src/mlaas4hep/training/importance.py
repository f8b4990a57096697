"""Permutation importance: how much worse the model gets when one branch no longer belongs to its event."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.layout import Layout
from mlaas4hep.training.data import Task
from mlaas4hep.training.metrics.classification import log_loss
from mlaas4hep.training.metrics.curves import roc_auc
from mlaas4hep.training.metrics.regression import regression_metrics

__all__ = ["ScoreFunction", "permutation_importance"]

ScoreFunction = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Raw feature columns, float32 [N, D], to scores."""


def permutation_importance(
    score_fn: ScoreFunction,
    raw: NDArray[np.float32],
    y: NDArray[Any],
    weight: NDArray[np.float64],
    layout: Layout,
    task: Task,
    repeats: int = 3,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Importance of each branch (Breiman, Machine Learning 45 (2001) 5, section 10, on a trained model).

    All columns of a branch are permuted together over the events, so that the list of a jagged branch stays whole. The
    random numbers depend on seed, branch position and repeat only.

    Args:
        score_fn: raw columns to scores, with the normalisation inside.
        raw: float32 [N, D], NaN where missing; not changed. The caller limits N.
        y: class indices [N], or true values for regression.
        weight: physics weights [N].
        layout: says which columns belong to which branch.
        task: binary: importance is the drop in ROC AUC; multiclass: the rise in log loss; regression: the rise in mean
            squared error.
        repeats: number of permutations a branch, at least 1.
        seed: the same seed gives the same result.

    Returns:
        One dict a branch, the most important first: ``branch``, ``importance`` (mean over the repeats) and ``error``
        (their standard deviation, None for one repeat). Both are None where the figure is undefined.
    """
    if raw.shape != (len(y), layout.width):
        msg = f"raw columns have shape {raw.shape}, must be ({len(y)}, {layout.width})"
        raise ValueError(msg)
    if not len(y):
        return [{"branch": branch.name, "importance": None, "error": None} for branch in layout.branches]
    baseline = _badness(task, y, score_fn(raw), weight)
    rows: list[dict[str, Any]] = []
    work = raw.copy()
    start = 0
    for position, branch in enumerate(layout.branches):
        columns = slice(start, start + branch.length)
        start += branch.length
        rises = []
        for repeat in range(repeats):
            order = np.random.default_rng([seed, position, repeat]).permutation(len(raw))
            work[:, columns] = raw[order, columns]
            rises.append(_badness(task, y, score_fn(work), weight) - baseline)
        work[:, columns] = raw[:, columns]
        mean = float(np.mean(rises))
        error = float(np.std(rises, ddof=1)) if repeats > 1 else math.nan
        rows.append({"branch": branch.name, "importance": _or_none(mean), "error": _or_none(error)})
    return sorted(rows, key=lambda row: math.inf if row["importance"] is None else -row["importance"])


def _badness(task: Task, y: NDArray[Any], scores: NDArray[np.float32], weight: NDArray[np.float64]) -> float:
    if task == "binary":
        return -roc_auc(y, scores, weight)
    if task == "multiclass":
        return log_loss(y, scores, weight)
    return regression_metrics(y, scores, weight)["mse"]


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
