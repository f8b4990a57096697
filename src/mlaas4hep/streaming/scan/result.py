"""What a first pass finds: the ranges and their events, the cutflow, classes with their weights, and specs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.cutflow import Cutflow
from mlaas4hep.features.split import PARTS
from mlaas4hep.features.statistics.exact import ExactSum
from mlaas4hep.features.statistics.specs import Specs
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.ranges import FileRange
from mlaas4hep.streaming.scan.pipeline import Selected

__all__ = ["ClassCount", "FileScan", "RangeCount", "Scan", "add_counts", "cutflows_of"]


@dataclass(frozen=True)
class RangeCount:
    """A range of entries, the events of it that are used, in all and in each part; the cut on events comes first."""

    start: int
    stop: int
    used: int
    parts: tuple[int, int, int]


@dataclass
class FileScan:
    """What the pass found in one file."""

    cutflow: Cutflow | None = None
    ranges: list[RangeCount] = field(default_factory=list)

    @property
    def used(self) -> int:
        """Events that are used."""
        return sum(r.used for r in self.ranges)

    def part(self, part: int) -> int:
        """Return the events used in one part of the split."""
        return sum(r.parts[part] for r in self.ranges)

    def add(self, task: FileRange, selected: Selected) -> None:
        """Add a range and the events of it that are used."""
        self.cutflow = selected.cutflow if self.cutflow is None else self.cutflow.merge(selected.cutflow)
        train, validation, test = np.bincount(selected.part, minlength=len(PARTS)).tolist()
        self.ranges.append(RangeCount(task.start, task.stop, len(selected), (train, validation, test)))


@dataclass
class ClassCount:
    """Events and sums of weights of one label, in train, validation and test."""

    events: list[int] = field(default_factory=lambda: [0] * len(PARTS))
    weights: list[ExactSum] = field(default_factory=lambda: [ExactSum() for _ in PARTS])

    def add(self, part: NDArray[np.int8], weight: NDArray[np.float64]) -> None:
        """Count events, int8 [n] parts and float64 [n] weights."""
        for index in range(len(PARTS)):
            chosen = part == index
            self.events[index] += int(chosen.sum())
            self.weights[index] = self.weights[index].merge(ExactSum.of(weight[chosen]))


@dataclass
class Scan:
    """The result of the pass.

    Attributes:
        files: in the order of the files.
        specs: of the training events.
        labels: events that are used, by label.
        passing: sums of weights of all events that pass the cuts, used or not, by label.
    """

    files: list[FileScan]
    specs: Specs
    labels: dict[Hashable, ClassCount]
    passing: dict[Hashable, ExactSum]

    def part(self, part: int) -> int:
        """Return events in one part of the split."""
        return sum(file.part(part) for file in self.files)

    @property
    def used(self) -> int:
        """Events in all parts."""
        return sum(file.used for file in self.files)

    @property
    def ranges(self) -> list[tuple[int, RangeCount]]:
        """All ranges that have used events, each with the number of its file, file by file in order."""
        return [(number, found) for number, file in enumerate(self.files) for found in file.ranges if found.used]


def add_counts(labels: dict[Hashable, ClassCount], file: DataFile, selected: Selected, *, by_label: bool) -> None:
    """Add the used events of a range to the counts of their labels; all stand under None unless ``by_label``."""
    if selected.label is None or not by_label:
        label = file.sample.label if by_label else None
        labels.setdefault(label, ClassCount()).add(selected.part, selected.weight)
        return
    values: NDArray[Any] = np.unique(selected.label)
    for value in values:
        chosen = selected.label == value
        labels.setdefault(value.item(), ClassCount()).add(selected.part[chosen], selected.weight[chosen])


def cutflows_of(files: Sequence[DataFile], scans: Sequence[FileScan]) -> dict[str, Cutflow]:
    """Return the cutflow of each file by its path, in the order the user named them."""
    pairs = sorted(zip(files, scans, strict=True), key=lambda pair: pair[0].index)
    return {file.path: found.cutflow for file, found in pairs if found.cutflow is not None}
