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
from mlaas4hep.training.metrics.ranges import within
from mlaas4hep.training.metrics.regression import regression_metrics

__all__ = ["ScoreFunction", "permutation_importance"]

ScoreFunction = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""What the model sees, float32 [N, model_width], to scores."""


def permutation_importance(
    score_fn: ScoreFunction,
    x: NDArray[np.float32],
    y: NDArray[Any],
    weight: NDArray[np.float64],
    layout: Layout,
    task: Task,
    repeats: int = 3,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Importance of each branch (Breiman, Machine Learning 45 (2001) 5, section 10, on a trained model).

    All columns of a branch are permuted together over the events, its mask as well, so that the list of a jagged branch
    stays whole. The random numbers depend on seed, branch position and repeat only.

    Args:
        score_fn: transformed columns to scores.
        x: transformed columns (see `Layout.transform`), float32 [N, model_width]; not changed. The caller limits N.
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
    if x.shape != (len(y), layout.model_width):
        msg = f"columns have shape {x.shape}, must be ({len(y)}, {layout.model_width})"
        raise ValueError(msg)
    if not len(y):
        return [{"branch": branch.name, "importance": None, "error": None} for branch in layout.branches]
    baseline = _badness(task, y, score_fn(x), weight)
    rows: list[dict[str, Any]] = []
    work = x.copy()
    start = 0
    for position, branch in enumerate(layout.branches):
        columns = [slice(first + start, first + start + branch.length) for first in range(0, x.shape[1], layout.width)]
        start += branch.length
        rises = []
        for repeat in range(repeats):
            order = np.random.default_rng([seed, position, repeat]).permutation(len(x))
            for some in columns:
                work[:, some] = x[order, some]
            rises.append(_badness(task, y, score_fn(work), weight) - baseline)
        for some in columns:
            work[:, some] = x[:, some]
        mean = float(np.mean(rises))
        error = float(np.std(rises, ddof=1)) if repeats > 1 else math.nan
        rows.append({"branch": branch.name, "importance": _or_none(mean), "error": _or_none(error)})
    return sorted(rows, key=lambda row: math.inf if row["importance"] is None else -row["importance"])


def _badness(task: Task, y: NDArray[Any], scores: NDArray[np.float32], weight: NDArray[np.float64]) -> float:
    if task == "binary":
        return -within("auc", roc_auc(y, scores, weight))
    if task == "multiclass":
        return within("loss", log_loss(y, scores, weight))
    return within("mse", regression_metrics(y, scores, weight)["mse"])


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
