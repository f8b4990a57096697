"""The used events of one range as rows: raw feature columns, and beside them target, weight and entry number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import FileReadError
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.matrix import fill_raw
from mlaas4hep.features.split import PARTS
from mlaas4hep.streaming.dataset.buffers import Buffers
from mlaas4hep.streaming.ranges import FileRange
from mlaas4hep.streaming.scan.pipeline import Pipeline

__all__ = ["RowReader", "Rows", "RowsTask", "Target", "side_dtype", "target_dtype"]

Target: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""From labels [n] to what a model is to learn [n]."""


def target_dtype(target: Target) -> np.dtype[Any]:
    """Type of the targets."""
    return target(np.empty(0)).dtype


def side_dtype(target: np.dtype[Any]) -> np.dtype[Any]:
    """Return what stands beside the features of an event: ``y``, ``weight``, ``entry``; a whole number of 4 bytes."""
    return np.dtype([("y", target), ("weight", np.float64), ("entry", np.int64)], align=True)


@dataclass(frozen=True, eq=False)
class Rows:
    """Events of one range, ordered by part of the split, within a part by entry.

    Attributes:
        raw: raw feature columns (see `Layout`), float32 [n, D].
        side: `side_dtype` [n].
        bounds: where each part begins and the last one ends, 4 numbers.
    """

    raw: NDArray[np.float32]
    side: NDArray[Any]
    bounds: tuple[int, int, int, int]

    def __len__(self) -> int:
        return len(self.raw)

    def slice_of(self, part: int) -> slice:
        """Return where the events of a part are."""
        return slice(self.bounds[part], self.bounds[part + 1])

    @property
    def words(self) -> NDArray[np.float32]:
        """The side as float32 [n, k], for copies bit by bit."""
        return self.side.view(np.float32).reshape(len(self.side), self.side.dtype.itemsize // 4)


@dataclass(frozen=True)
class RowsTask:
    """Whose rows are read: a range, its used events in train, validation and test, and the one part that is wanted."""

    range: FileRange
    parts: tuple[int, int, int]
    part: int | None


@dataclass(frozen=True)
class RowReader:
    """Reads the rows of ranges; a pure function of its task. Rows are made in ``buffers``."""

    pipeline: Pipeline
    layout: Layout
    target: Target
    buffers: Buffers

    def __call__(self, task: RowsTask) -> Rows:
        """Return the used events of a range, of all parts or of one.

        Raises:
            FileReadError: the file cannot be read, or is not the one of the first pass any more.
        """
        part = task.part
        selected = self.pipeline(task.range)
        counts = np.bincount(selected.part, minlength=len(PARTS))
        if tuple(counts.tolist()) != task.parts:
            raise FileReadError(
                f"entries {task.range.start} to {task.range.stop} changed while the file was in use",
                where=task.range.file.path,
                hint="start again when no other program writes to the file",
            )
        order = np.argsort(selected.part, kind="stable") if part is None else np.flatnonzero(selected.part == part)
        if part is not None:
            counts = np.where(np.arange(len(PARTS)) == part, counts, 0)
        raw = self.buffers.take(len(order), self.layout.width)
        first, second, third = np.cumsum(counts).tolist()
        bounds = (0, first, second, third)
        for begin, end in pairwise(bounds):  # in each part the events ascend, which is the fast way
            chosen = selected.index[order[begin:end]]
            fill_raw(raw[begin:end], selected.columns, self.layout.branches, chosen, self.layout.missing)
        if selected.label is None:
            y = np.repeat(self.target(np.array([task.range.file.sample.label])), len(order))
        else:
            y = self.target(selected.label[order])
        side = np.empty(len(order), dtype=side_dtype(y.dtype))
        side["y"], side["weight"], side["entry"] = y, selected.weight[order], selected.entry[order]
        return Rows(raw, side, bounds)
