"""How many events pass the cuts in each file, and how many of them are used where their number is limited."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from mlaas4hep.errors import NoEventsError
from mlaas4hep.features.cutflow import Cutflow, render
from mlaas4hep.features.statistics.exact import ExactSum
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.ranges import FileRange
from mlaas4hep.streaming.scan.labels import check_labels
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.streaming.scan.result import ClassCount, FileScan, RangeCount, add_counts, cutflows_of

__all__ = ["Counted", "count", "no_event", "quotas", "used_tasks"]


@dataclass
class Counted:
    """What passes the cuts in each file, used or not.

    Attributes:
        files: cutflow and ranges of each file.
        labels: events and weights by label.
        unweighted: events without a finite weight, which the cuts remove.
    """

    files: list[FileScan]
    labels: dict[Hashable, ClassCount]
    unweighted: int = 0


def count(
    files: Sequence[DataFile],
    tasks: Sequence[FileRange],
    pipeline: Pipeline,
    executor: Executor,
    monitor: Monitor,
    *,
    by_label: bool,
) -> Counted:
    """Count what passes; only the branches of cuts, weight and label are read, and nothing where no event differs."""
    counted = Counted([FileScan() for _ in files], {})
    counting = pipeline.counting(labels=by_label)
    if not (counting.selects or counting.weight_branch or counting.label_branch):
        for task in tasks:
            found = RangeCount(task.start, task.stop, len(task), (len(task), 0, 0))
            counted.files[task.number].ranges.append(found)
        for scan, file in zip(counted.files, files, strict=True):
            entries, weight = file.source.entries, ExactSum.of([file.sample.weight]).units * file.source.entries
            if pipeline.negative == "abs":
                weight = abs(weight)
            scan.cutflow = Cutflow((), (entries,), (ExactSum(weight),))
            label = counted.labels.setdefault(file.sample.label if by_label else None, ClassCount())
            label.weights[0] += ExactSum(weight)
        return counted
    with monitor.stage("counting", sum(map(len, tasks))) as advance:
        for task, selected in zip(tasks, executor.map(counting, tasks), strict=True):
            counted.files[task.number].add(task, selected)
            counted.unweighted += selected.unweighted
            check_labels(task.file, selected, counting.label_branch, numbers=False)
            add_counts(counted.labels, task.file, selected, by_label=by_label)
            advance(len(task), "")
    return counted


def used_tasks(counted: Counted, files: Sequence[DataFile], events: int, *, selects: bool) -> Iterator[FileRange]:
    """Yield the ranges that have used events, cut where no event is left out.

    Args:
        counted: what passes.
        files: in the same order.
        events: events to use over all files.
        selects: whether some events may not pass.

    Raises:
        NoEventsError: no event passes, or fewer than asked for.
    """
    if not any(file.used for file in counted.files):
        raise no_event(files, counted.files)
    limits = quotas([file.used for file in counted.files], events, files)
    for number, (file, found, left) in enumerate(zip(files, counted.files, limits, strict=True)):
        for part in found.ranges:
            used = min(part.used, left)
            left -= used  # noqa: PLW2901
            if used:
                yield FileRange(file, part.start, part.stop if selects else part.start + used, number, used)


def quotas(passing: Sequence[int], events: int, files: Sequence[DataFile]) -> list[int]:
    """Return the events to use of each file: in proportion to what passes, by largest remainders.

    Of equal remainders the earlier file's counts first.

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


def no_event(files: Sequence[DataFile], found: Sequence[FileScan]) -> NoEventsError:
    """Return the error that says that nothing is left, with the cutflow."""
    if not any(file.source.entries for file in files):
        return NoEventsError("the files hold no event")
    cutflow = render(cutflows_of(files, found)).rstrip()
    return NoEventsError("no event is left after the cuts", cutflow=cutflow)
