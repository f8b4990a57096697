"""Scores block by block: every event is kept up to a number of them, beyond it groups and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.events.base import Task
from mlaas4hep.training.metrics._arrays import Floats
from mlaas4hep.training.metrics.classification import confusion_matrix, log_losses, predicted_classes
from mlaas4hep.training.metrics.groups import Groups
from mlaas4hep.training.metrics.parts import Column, Grouped, Part, Scored
from mlaas4hep.training.metrics.regression import Moments

__all__ = ["EXACT_EVENTS", "Gatherer"]

EXACT_EVENTS = 1_000_000
"""Up to this many events in all parts together, figures are computed from every single one."""

_GROUPS = 1 << 17
_FEWEST_GROUPS = 1 << 11
_ROWS = 50_000


class Gatherer:
    """Takes scores of events and makes the parts that `evaluate` works on.

    Args:
        task: binary, multiclass or regression.
        classes: number of classes; 0 for regression.
        names: of the parts.
        threshold: binary: score from which an event counts as signal.
        cuts: further thresholds at which sums must be exact.
        exact: events up to which each one is kept.
    """

    def __init__(
        self,
        task: Task,
        classes: int,
        names: Sequence[str],
        *,
        threshold: float = 0.5,
        cuts: Sequence[float] = (),
        exact: int | None = None,
    ) -> None:
        self._task = task
        self._names = tuple(names)
        self._classes = classes
        self._threshold = threshold
        self._cuts = (threshold, *cuts) if task == "binary" else ()
        self._exact = EXACT_EVENTS if exact is None else exact
        self._kept: list[tuple[NDArray[np.int8], Part]] = []
        self._events = 0
        self._sums: list[_Sums] = []
        self._groups: list[Groups] = []

    def add(
        self, y: NDArray[Any], scores: NDArray[np.float32], weight: Floats, part: NDArray[np.int8] | None = None
    ) -> None:
        """Add events: targets [n], scores [n] or [n, C], weights [n], for each the position of its part in names."""
        where = np.zeros(len(y), dtype=np.int8) if part is None else part
        block = Part(y, scores if scores.ndim == 2 else scores[:, np.newaxis], weight)
        self._events += len(y)
        if self._groups:
            self._group(where, block)
            return
        self._kept.append((where, block))
        if self._events > self._exact:
            self._begin()

    def parts(self) -> dict[str, Scored]:
        """Return the parts that hold events, by name."""
        if not self._groups:
            return self._exact_parts()
        for groups in self._groups:
            groups.close()
        return {
            name: self._sums[index].part(self._columns(index))
            for index, name in enumerate(self._names)
            if self._sums[index].events
        }

    def _exact_parts(self) -> dict[str, Scored]:
        parts: dict[str, Scored] = {}
        for index, name in enumerate(self._names):
            chosen = [(block, where == index) for where, block in self._kept]
            arrays = (
                [getattr(block, field)[mine] for block, mine in chosen if mine.any()]
                for field in ("y", "scores", "weight")
            )
            y, scores, weight = arrays
            if y:
                parts[name] = Part(np.concatenate(y), np.concatenate(scores), np.concatenate(weight))
        return parts

    def _begin(self) -> None:
        """From single events to groups."""
        columns = self._classes if self._task == "multiclass" else 1
        kinds = max(1, self._classes)
        most = max(_FEWEST_GROUPS, _GROUPS // (columns * max(1, kinds // 2)))
        for column in range(columns):
            of_kind = [self._side(column, kind) for kind in range(kinds)] * len(self._names)
            self._groups.append(Groups(len(of_kind), of_kind, most, self._cuts))
        self._sums = [_Sums(self._task, self._classes, self._threshold) for _ in self._names]
        kept, self._kept = self._kept, []
        for where, block in kept:
            self._group(where, block)

    def _side(self, column: int, kind: int) -> int:
        return int(kind == column) if self._task == "multiclass" else kind

    def _group(self, where: NDArray[np.int8], block: Part) -> None:
        for index, sums in enumerate(self._sums):
            mine = where == index
            if mine.any():
                sums.add(Part(block.y[mine], block.scores[mine], block.weight[mine]))
        finite = np.isfinite(block.scores).all(axis=1)
        if not finite.all():
            where, block = where[finite], block.finite()
        if self._task == "regression":
            residuals = block.residuals()
            self._groups[0].add(residuals.score, where.astype(np.int64), block.weight)
            return
        kind = where.astype(np.int64) * self._classes + block.y
        for column, groups in enumerate(self._groups):
            groups.add(block.scores[:, column].astype(np.float64), kind, block.weight)

    def _columns(self, index: int) -> list[Column]:
        """The groups of each score that hold events of a part, a row for each class."""
        kinds = max(1, self._classes)
        columns = []
        for groups in self._groups:
            sums = groups.sums[:, :, index * kinds : (index + 1) * kinds]
            row, kind = np.nonzero(sums[:, 0])
            count, weight, squares = (sums[row, what, kind] for what in range(3))
            columns.append(Column(kind, groups.mean[row], weight, count, squares, groups.low[row], groups.high[row]))
        return columns


class _Sums:
    """Sums over all events of a part."""

    def __init__(self, task: Task, classes: int, threshold: float) -> None:
        self._task, self._classes, self._threshold = task, classes, threshold
        self.events = 0
        self._lost = 0
        self._weighted = False
        self._totals = dict.fromkeys(range(max(1, classes)), (0, 0.0))
        self._loss = np.zeros(2)
        self._matrices = np.zeros((2, classes, classes))
        self._moments = (Moments(), Moments())
        self._rows: list[Part] = []
        self._step = 1

    def add(self, block: Part) -> None:
        self._weighted |= block.weighted
        self._thin(block)
        self.events += len(block)
        for index, (events, weight) in self._totals.items():
            more = block.of_class(index) if self._classes else (len(block), block.sum_of_weights)
            self._totals[index] = (events + more[0], weight + more[1])
        usable = block.finite()
        self._lost += len(block) - len(usable)
        ones = np.ones(len(usable))
        for index, weight_ in enumerate((ones, usable.weight)):
            if self._task == "regression":
                self._moments[index].add(usable.y, usable.scores, weight_)
                continue
            self._loss[index] += float((log_losses(usable.y, usable.scores) * weight_).sum())
            predicted = predicted_classes(usable.scores, self._threshold)
            self._matrices[index] += confusion_matrix(usable.y, predicted, self._classes, weight_)

    def part(self, columns: Sequence[Column]) -> Grouped:
        """Return the finished part."""
        figures: list[dict[str, float]] = []
        for index, moments in enumerate(self._moments if self._task == "regression" else ()):
            column = columns[0] if index else columns[0].unweighted()
            low, high = column.quantiles([0.16, 0.84])
            figures.append({**moments.figures(), "resolution": float(high - low) / 2.0})
        totals = self._matrices.sum(axis=(1, 2))
        losses = [float(a) / float(b) if b > 0.0 else float("nan") for a, b in zip(self._loss, totals, strict=True)]
        rows = Part(*(np.concatenate([getattr(row, n) for row in self._rows]) for n in ("y", "scores", "weight")))
        return Grouped(
            self.events,
            self._totals,
            self._lost,
            self._weighted,
            columns,
            self._threshold,
            (self._matrices[0], self._matrices[1]),
            (losses[0], losses[1]),
            (figures[0], figures[1]) if figures else ({}, {}),
            rows.finite(),
        )

    def _thin(self, block: Part) -> None:
        """Keep every n-th event, n a power of two that grows with the number of events."""
        first = -self.events % self._step
        self._rows.append(_every(block, first, self._step))
        while sum(map(len, self._rows)) > _ROWS:
            at, thinned = 0, []
            for rows in self._rows:
                thinned.append(_every(rows, at % 2, 2))
                at += len(rows)
            self._rows, self._step = thinned, 2 * self._step


def _every(part: Part, first: int, step: int) -> Part:
    chosen = slice(first, None, step)
    return Part(part.y[chosen].copy(), part.scores[chosen].copy(), part.weight[chosen].copy())
