"""The first pass over all files: events that pass, their classes and weights, and the specs of the training events."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import LabelError, NoEventsError
from mlaas4hep.features.cutflow import Cutflow, render
from mlaas4hep.features.split import PARTS, TRAIN
from mlaas4hep.features.statistics.exact import ExactSum
from mlaas4hep.features.statistics.specs import Specs
from mlaas4hep.streaming.execution import narrowed, ordered_map, ranges_of, target_events
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.process_memory import give_back
from mlaas4hep.streaming.scan.pipeline import Pipeline, Selected

__all__ = ["ClassCount", "FileScan", "RangeCount", "Scan", "cutflows_of", "quotas", "scan"]


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
        """Events used in one part of the split."""
        return sum(r.parts[part] for r in self.ranges)


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
        """Events in one part of the split."""
        return sum(file.part(part) for file in self.files)

    @property
    def used(self) -> int:
        """Events in all parts."""
        return sum(file.used for file in self.files)

    @property
    def ranges(self) -> list[tuple[int, RangeCount]]:
        """All ranges that have used events, each with the number of its file, file by file in order."""
        return [(number, found) for number, file in enumerate(self.files) for found in file.ranges if found.used]


@dataclass(frozen=True)
class _Task:
    number: int
    file: DataFile
    start: int
    stop: int


def scan(
    files: Sequence[DataFile],
    pipeline: Pipeline,
    *,
    events: int = -1,
    workers: int = 1,
    count_labels: bool = True,
    monitor: Monitor,
) -> Scan:
    """Go over all files once; if ``events`` limits them, up to there, and before that once over what decides the limit.

    Args:
        files: in canonical order.
        pipeline: what is done to every range.
        events: events to use after the cuts over all files, in proportion to what passes in each; -1: all.
        workers: ranges read at the same time.
        count_labels: keep counts by label; false for regression: then all events stand under None.
        monitor: told about progress.

    Raises:
        NoEventsError: no event passes, or fewer than asked for.
        LabelError: a label is NaN or infinite, or no number where numbers are wanted.
    """
    counted: _Counted | None = None
    if events >= 0:
        counted = _count(files, pipeline, workers, monitor, by_label=count_labels)
        if not any(file.used for file in counted.files):
            raise _no_event(files, counted.files)
        limits = quotas([file.used for file in counted.files], events, files)
        tasks = _first_tasks(files, limits, len(pipeline.needed), exact=not pipeline.selects)
    else:
        limits = [file.source.entries for file in files]
        tasks = _tasks(files, len(pipeline.needed))
    left = list(limits)
    result = [FileScan() for _ in files]
    specs: Specs | None = None
    labels: dict[Hashable, ClassCount] = {}
    unweighted = 0
    total = sum(file.source.entries for file in files) if counted is None or pipeline.selects else sum(limits)
    with monitor.stage("specs", total) as advance:
        for task, selected, part_specs in _read(pipeline, workers, tasks, left):
            found = result[task.number]
            found.cutflow = selected.cutflow if found.cutflow is None else found.cutflow.merge(selected.cutflow)
            left[task.number] -= len(selected)
            _note(found, task, selected)
            _check_labels(task.file, selected, pipeline.label_branch, numbers=not count_labels)
            _count_labels(labels, task.file, selected, by_label=count_labels)
            specs = part_specs if specs is None else specs + part_specs
            unweighted += selected.unweighted
            total -= task.stop - task.start
            advance(task.stop - task.start, "")
        advance(total, "")
    give_back()
    if specs is None or not any(file.used for file in result):
        raise _no_event(files, result)
    if counted is not None:
        unweighted = counted.unweighted
        for found, before in zip(result, counted.files, strict=True):
            found.cutflow = before.cutflow
    if unweighted:
        monitor.note(
            f"{unweighted} events that the cuts remove have no finite weight: they count as 0 in the cutflow's sums"
        )
    passing = labels if counted is None else counted.labels
    sums = {label: reduce(ExactSum.merge, count.weights) for label, count in passing.items()}
    return Scan(result, specs, labels, sums)


def quotas(passing: Sequence[int], events: int, files: Sequence[DataFile]) -> list[int]:
    """Events to use of each file: in proportion to what passes, by largest remainders, ties to the earlier file.

    Raises:
        NoEventsError: fewer events pass than asked for.
    """
    total = sum(passing)
    if events > total:
        counts = ", ".join(f"{file.path}: {n}" for file, n in zip(files, passing, strict=True))
        raise NoEventsError(
            f"{events} events are asked for, {total} pass the cuts ({counts})",
            hint=f"ask for at most {total}, or -1 for all",
        )
    shares = [events * n // total if total else 0 for n in passing]
    remainders = [events * n % total if total else 0 for n in passing]
    order = sorted(range(len(passing)), key=lambda i: (-remainders[i], i))
    for i in order[: events - sum(shares)]:
        shares[i] += 1
    return shares


def _tasks(files: Sequence[DataFile], branches: int) -> Iterator[_Task]:
    target = narrowed(target_events(len(files)), len(files), branches)
    for number, file in enumerate(files):
        for start, stop in ranges_of(file.source.clusters, target):
            yield _Task(number, file, start, stop)


def _first_tasks(files: Sequence[DataFile], limits: Sequence[int], branches: int, *, exact: bool) -> Iterator[_Task]:
    """The ranges of each file up to its limit, or all of them where the cuts decide how far one has to read."""
    for task in _tasks(files, branches):
        limit = limits[task.number]
        if limit and not (exact and task.start >= limit):
            yield replace(task, stop=min(task.stop, limit)) if exact else task


@dataclass
class _Counted:
    """What passes the cuts in each file, used or not: its cutflow, events and weights."""

    files: list[FileScan]
    labels: dict[Hashable, ClassCount]
    unweighted: int = 0


def _count(
    files: Sequence[DataFile], pipeline: Pipeline, workers: int, monitor: Monitor, *, by_label: bool
) -> _Counted:
    """Count what passes; only the branches of cuts, weight and label are read, and nothing where no event differs."""
    counted = _Counted([FileScan() for _ in files], {})
    counting = pipeline.counting(labels=by_label)
    if not (counting.selects or counting.weight_branch or counting.label_branch):
        for found, file in zip(counted.files, files, strict=True):
            entries, weight = file.source.entries, ExactSum.of([file.sample.weight]).units * file.source.entries
            if pipeline.negative == "abs":
                weight = abs(weight)
            found.cutflow = Cutflow((), (entries,), (ExactSum(weight),))
            found.ranges.append(RangeCount(0, entries, entries, (entries, 0, 0)))
            label = counted.labels.setdefault(file.sample.label if by_label else None, ClassCount())
            label.weights[0] += ExactSum(weight)
        return counted
    with monitor.stage("counting", sum(file.source.entries for file in files)) as advance:
        tasks = _tasks(files, len(counting.needed))
        for task, selected in ordered_map(
            lambda task: (task, counting.apply(task.file, task.start, task.stop)), tasks, workers
        ):
            found = counted.files[task.number]
            found.cutflow = selected.cutflow if found.cutflow is None else found.cutflow.merge(selected.cutflow)
            counted.unweighted += selected.unweighted
            _note(found, task, selected)
            _check_labels(task.file, selected, counting.label_branch, numbers=False)
            _count_labels(counted.labels, task.file, selected, by_label=by_label)
            advance(task.stop - task.start, "")
    return counted


def _no_event(files: Sequence[DataFile], found: Sequence[FileScan]) -> NoEventsError:
    if not any(file.source.entries for file in files):
        return NoEventsError("the files hold no event")
    cutflow = render(cutflows_of(files, found)).rstrip()
    return NoEventsError("no event is left after the cuts", hint=f"cutflow:\n{cutflow}")


def _read(
    pipeline: Pipeline, workers: int, tasks: Iterable[_Task], left: Sequence[int]
) -> Iterator[tuple[_Task, Selected, Specs]]:
    """For every range the events that are used, and the specs of the training events among them.

    ``tasks`` are ranges that may be needed; ``left`` are the events still wanted of each file, kept up to date by the
    caller.
    """

    def specs_of(selected: Selected) -> Specs:
        training = selected.index[selected.part == TRAIN]
        return Specs.of(selected.columns, len(training), pipeline.missing, training)

    def read(task: _Task) -> tuple[_Task, Selected, Specs]:
        selected = pipeline.apply(task.file, task.start, task.stop)
        return task, selected, specs_of(selected)

    wanted = (task for task in tasks if left[task.number] > 0)
    for task, selected, specs in ordered_map(read, wanted, workers):
        most = left[task.number]
        if len(selected) <= most:
            yield task, selected, specs
        elif most > 0:  # the last range of a file of whose events only some are used
            used = selected.where(np.arange(len(selected)) < most)
            yield task, used, specs_of(used)


def _note(found: FileScan, task: _Task, selected: Selected) -> None:
    counts = np.bincount(selected.part, minlength=len(PARTS))
    parts = (int(counts[0]), int(counts[1]), int(counts[2]))
    found.ranges.append(RangeCount(task.start, task.stop, len(selected), parts))


def _check_labels(file: DataFile, selected: Selected, branch: str | None, *, numbers: bool) -> None:
    label = selected.label
    if label is None:
        return
    if label.dtype.kind not in "biuf":
        if numbers and len(label):
            raise LabelError(
                f"label {str(label[0])!r} of entry {selected.entry[0]} is not a number, but the task is regression",
                where=file.path,
                hint="use a branch of numbers as label",
            )
        return
    wrong = np.flatnonzero(~np.isfinite(label))
    if len(wrong):
        raise LabelError(
            f"label of entry {selected.entry[wrong[0]]} is {label[wrong[0]]}",
            where=file.path,
            hint=f"cut such events away, e.g. with the selection isfinite({branch})",
        )


def _count_labels(labels: dict[Hashable, ClassCount], file: DataFile, selected: Selected, *, by_label: bool) -> None:
    if selected.label is None or not by_label:
        label = file.sample.label if by_label else None
        labels.setdefault(label, ClassCount()).add(selected.part, selected.weight)
        return
    values: NDArray[Any] = np.unique(selected.label)
    for value in values:
        chosen = selected.label == value
        labels.setdefault(value.item(), ClassCount()).add(selected.part[chosen], selected.weight[chosen])


def cutflows_of(files: Sequence[DataFile], scans: Sequence[FileScan]) -> dict[str, Cutflow]:
    """The cutflow of each file by its path, in the order the user named them."""
    pairs = sorted(zip(files, scans, strict=True), key=lambda pair: pair[0].index)
    return {file.path: found.cutflow for file, found in pairs if found.cutflow is not None}
