"""One part of the split with its truth, scores and physics weights: every event, or groups of neighbouring scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.metrics import classification
from mlaas4hep.training.metrics._arrays import Floats
from mlaas4hep.training.metrics.regression import regression_metrics

__all__ = ["Column", "Grouped", "Part", "Scored"]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One score of all events, a row for each event, or for each group of events of one class.

    Attributes:
        y: class index of each row, int64 [R]; 0 for residuals.
        score: float64 [R]; of a group the mean.
        weight: sum of weights, float64 [R].
        count: number of events, float64 [R].
        squares: sum of squared weights, float64 [R].
        low: smallest score of the row, float64 [R]; ``high`` the largest.
        high: largest score of the row.
    """

    y: NDArray[np.int64]
    score: Floats
    weight: Floats
    count: Floats
    squares: Floats
    low: Floats
    high: Floats

    @staticmethod
    def of(y: NDArray[Any], score: NDArray[Any], weight: Floats) -> Column:
        """Return a row for each event."""
        value = score.astype(np.float64)
        ones = np.ones(len(value))
        return Column(y.astype(np.int64, copy=False), value, weight, ones, weight * weight, value, value)

    @staticmethod
    def join(columns: Sequence[Column]) -> Column:
        """Return the rows of several columns."""
        names = ("y", "score", "weight", "count", "squares", "low", "high")
        return Column(*(np.concatenate([getattr(column, name) for column in columns]) for name in names))

    def unweighted(self) -> Column:
        """Return every event counts 1."""
        return Column(self.y, self.score, self.count, self.count, self.count, self.low, self.high)

    def where(self, keep: NDArray[Any]) -> Column:
        """Some of the rows: a mask or positions."""
        names = ("y", "score", "weight", "count", "squares", "low", "high")
        return Column(*(getattr(self, name)[keep] for name in names))

    def against_rest(self, index: int) -> Column:
        """Class ``index`` as signal (1), all others as background (0)."""
        y = (self.y == index).astype(np.int64)
        return Column(y, self.score, self.weight, self.count, self.squares, self.low, self.high)

    def quantiles(self, shares: Sequence[float]) -> Floats:
        """Scores below which these shares of the weight lie, spread evenly over each group; NaN without weight."""
        rows = self.where(np.argsort(self.low, kind="stable"))
        end = np.maximum.accumulate(np.cumsum(rows.weight))
        if not len(end) or not end[-1] > 0.0:
            return np.full(len(shares), np.nan)
        begin = np.concatenate([[0.0], end[:-1]])
        ways, scores = (np.stack(pair, axis=1).reshape(-1) for pair in ((begin, end), (rows.low, rows.high)))
        return np.asarray(np.interp(np.asarray(shares) * end[-1], ways, scores), dtype=np.float64)

    @property
    def grouped(self) -> bool:
        """True if a row may hold several events."""
        return bool((self.count != 1.0).any())


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Events of one part (train, validation, test, or ``data`` for other files).

    Attributes:
        y: classification: int64 [N] class indices (binary: 1 is the signal); regression: float32 [N] true values.
        scores: float32; binary [N, 1] probability of the signal; multiclass [N, C]; regression [N, 1].
        weight: float64 [N] physics weights, of any sign; ones without weights.
    """

    y: NDArray[Any]
    scores: NDArray[np.float32]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def lost(self) -> int:
        """Events with a score that is not finite."""
        return len(self) - len(self.finite())

    @property
    def weighted(self) -> bool:
        """True if any event has another weight than 1."""
        return bool(np.any(self.weight != 1.0))

    @property
    def rows(self) -> Part:
        """Events to be drawn one by one."""
        return self

    @property
    def sum_of_weights(self) -> float:
        """Sum of all weights."""
        return float(self.weight.sum())

    def of_class(self, index: int) -> tuple[int, float]:
        """Return the number of events and sum of weights of a class."""
        mine = self.y == index
        return int(mine.sum()), float(self.weight[mine].sum())

    def finite(self) -> Part:
        """Only the events whose scores are all finite."""
        finite = np.isfinite(self.scores)
        keep = finite.all(axis=1) if finite.ndim == 2 else finite
        return self if keep.all() else Part(self.y[keep], self.scores[keep], self.weight[keep])

    def column(self, index: int = 0) -> Column:
        """Return the scores [N, index] of all events."""
        return Column.of(
            self.y, (self.scores if self.scores.ndim == 2 else self.scores[:, np.newaxis])[:, index], self.weight
        )

    def residuals(self) -> Column:
        """Predicted minus true values."""
        residual = self.scores.reshape(-1).astype(np.float64) - self.y
        return Column.of(np.zeros(len(self), dtype=np.int64), residual, self.weight)

    def confusion(self, classes: int, threshold: float, *, weighted: bool) -> Floats:
        """Sums by true and predicted class, see `confusion_matrix`."""
        predicted = classification.predicted_classes(self.scores, threshold)
        return classification.confusion_matrix(self.y, predicted, classes, self.weight if weighted else None)

    def loss(self, *, weighted: bool) -> float:
        """Log loss, see `log_loss`."""
        return classification.log_loss(self.y, self.scores, self.weight if weighted else None)

    def regression(self, *, weighted: bool) -> dict[str, float]:
        """Return figures of a regression, see `regression_metrics`."""
        return regression_metrics(self.y, self.scores, self.weight if weighted else None)


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """A part with too many events to keep each: groups of neighbouring scores, and sums over all events.

    It answers as `Part` does. Confusion matrix, loss and moments are sums over all events; what needs their order (AUC,
    AMS, curves, distances, quantiles) takes that of the groups.

    Attributes:
        events: number of events, those without a finite score included.
        totals: number of events and sum of weights of each class, by its index; 0 for regression.
        lost: events with a score that is not finite.
        weighted: true if any event has another weight than 1.
        columns: one for each score; for regression that of the residuals.
        threshold: at which the classes were told when the events were seen.
        matrices: confusion matrix by events and by weights.
        losses: log loss by events and by weights.
        figures: of a regression, by events and by weights.
        rows: some events, spread evenly, to be drawn one by one.
    """

    events: int
    totals: Mapping[int, tuple[int, float]]
    lost: int
    weighted: bool
    columns: Sequence[Column]
    threshold: float
    matrices: tuple[Floats, Floats]
    losses: tuple[float, float]
    figures: tuple[dict[str, float], dict[str, float]]
    rows: Part

    def __len__(self) -> int:
        return self.events

    @property
    def sum_of_weights(self) -> float:
        """Sum of all weights."""
        return sum(weight for _, weight in self.totals.values())

    def of_class(self, index: int) -> tuple[int, float]:
        """Return the number of events and sum of weights of a class."""
        return self.totals.get(index, (0, 0.0))

    def finite(self) -> Grouped:
        """Itself: only events with finite scores are in the groups."""
        return self

    def column(self, index: int = 0) -> Column:
        """Groups of the score ``index``."""
        return self.columns[index]

    def residuals(self) -> Column:
        """Groups of predicted minus true values."""
        return self.columns[0]

    def confusion(self, classes: int, threshold: float, *, weighted: bool) -> Floats:
        """Sums by true and predicted class.

        Raises:
            ValueError: another threshold or number of classes than when the events were seen.
        """
        if threshold != self.threshold or classes != len(self.matrices[weighted]):
            msg = f"events seen for {len(self.matrices[weighted])} classes and the threshold {self.threshold}"
            raise ValueError(msg)
        return self.matrices[weighted]

    def loss(self, *, weighted: bool) -> float:
        """Log loss."""
        return self.losses[weighted]

    def regression(self, *, weighted: bool) -> dict[str, float]:
        """Return figures of a regression."""
        return self.figures[weighted]


Scored: TypeAlias = Part | Grouped
"""A part, whether all of its events are kept or not."""
