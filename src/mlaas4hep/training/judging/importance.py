"""Permutation importance: how much worse the model gets when one branch no longer belongs to its event."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.layout import Layout
from mlaas4hep.streaming.monitor import Advance
from mlaas4hep.training.events.base import Task
from mlaas4hep.training.metrics.classification import accuracy, log_loss, predicted_classes
from mlaas4hep.training.metrics.curves import roc_auc
from mlaas4hep.training.metrics.ranges import within
from mlaas4hep.training.metrics.regression import regression_metrics

__all__ = ["ScoreFunction", "affordable", "permutation_importance"]

_VALUES = 1_500_000_000
"""Values that a model is given in all, a few seconds of work for most models."""

_SEARCH = 3
"""Permutations of groups of branches for each branch that is to be found."""

_PARTS = 4
_FEWEST_ROWS = 1_000
_FEWEST_BRANCHES = 10

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
    *,
    decision: bool = False,
    most: int | None = None,
    advance: Advance = lambda _units, _text: None,
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
        decision: true if the scores are decision values; multiclass: importance is the drop in accuracy then.
        most: branches that are tried one by one. With more of them, groups of branches are permuted first, and those
            of the groups that matter most are tried.
        advance: told of every branch that is done.

    Returns:
        One dict a branch that was tried, the most important first: ``branch``, ``importance`` (mean over the repeats)
        and ``error`` (their standard deviation, None for one repeat). Both are None where the figure is undefined.
    """
    if x.shape != (len(y), layout.model_width):
        msg = f"columns have shape {x.shape}, must be ({len(y)}, {layout.model_width})"
        raise ValueError(msg)
    if not len(y):
        return [{"branch": branch.name, "importance": None, "error": None} for branch in layout.branches]
    baseline = _badness(task, y, score_fn(x), weight, decision=decision)
    work = x.copy()
    columns = _columns(layout, x.shape[1])

    def rise(positions: Sequence[int], *key: int) -> float:
        order = np.random.default_rng([seed, *key]).permutation(len(x))
        mine = np.concatenate([columns[position] for position in positions])
        work[:, mine] = x[np.ix_(order, mine)]
        worse = _badness(task, y, score_fn(work), weight, decision=decision) - baseline
        work[:, mine] = x[:, mine]
        return worse

    names = [branch.name for branch in layout.branches]
    chosen = range(len(names)) if most is None or most >= len(names) else _chosen(len(names), most, rise)
    rows: list[dict[str, Any]] = []
    for position in chosen:
        rises = [rise([position], position, repeat) for repeat in range(repeats)]
        error = float(np.std(rises, ddof=1)) if repeats > 1 else math.nan
        rows.append({"branch": names[position], "importance": _or_none(np.mean(rises)), "error": _or_none(error)})
        advance(1, "")
    return sorted(rows, key=lambda row: math.inf if row["importance"] is None else -row["importance"])


def affordable(rows: int, layout: Layout, repeats: int = 3) -> tuple[int, int]:
    """Return how many rows and branches a bounded amount of work allows: fewer rows come before fewer branches."""
    a_row = len(layout.branches) * repeats * layout.model_width
    rows = min(rows, max(_FEWEST_ROWS, _VALUES // a_row))
    if rows * a_row <= _VALUES:
        return rows, len(layout.branches)
    a_branch = rows * (repeats + 1 + _SEARCH) * layout.model_width
    return rows, min(len(layout.branches), max(_FEWEST_BRANCHES, _VALUES // a_branch))


def _chosen(branches: int, most: int, rise: Callable[..., float]) -> list[int]:
    """Positions of ``most`` branches: of the groups without which the model gets worst, smaller and smaller ones."""
    heap: list[tuple[float, int, list[int]]] = []
    tried = itertools.count()

    def split(positions: list[int], parts: int) -> None:
        for group in np.array_split(positions, min(parts, len(positions))):
            number = next(tried)
            worse = rise(group.tolist(), branches + number)
            heapq.heappush(heap, (-worse if math.isfinite(worse) else math.inf, number, group.tolist()))

    split(list(range(branches)), most)
    chosen: list[int] = []
    left = _SEARCH * most
    while heap and len(chosen) < most:
        _, _, group = heapq.heappop(heap)
        if len(group) == 1 or left < _PARTS:
            chosen += group
        else:
            split(group, _PARTS)
            left -= _PARTS
    return sorted(chosen[:most])


def _columns(layout: Layout, width: int) -> list[NDArray[np.int64]]:
    """Columns of each branch, those of its mask as well."""
    ends = np.cumsum([branch.length for branch in layout.branches])
    return [
        np.concatenate([np.arange(end - branch.length, end) + first for first in range(0, width, layout.width)])
        for branch, end in zip(layout.branches, ends, strict=True)
    ]


def _badness(
    task: Task, y: NDArray[Any], scores: NDArray[np.float32], weight: NDArray[np.float64], *, decision: bool
) -> float:
    if task == "binary":
        return -within("auc", roc_auc(y, scores, weight))
    if task == "multiclass" and decision:
        return -within("accuracy", accuracy(y, predicted_classes(scores), weight))
    if task == "multiclass":
        return within("loss", log_loss(y, scores, weight))
    return within("mse", regression_metrics(y, scores, weight)["mse"])


def _or_none(value: np.floating[Any] | float) -> float | None:
    return float(value) if math.isfinite(value) else None
