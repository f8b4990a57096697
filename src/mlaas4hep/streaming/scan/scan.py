"""The first pass over all files: events that pass, their classes and weights, and the specs of the training events."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from mlaas4hep.features.split import TRAIN
from mlaas4hep.features.statistics.exact import ExactSum
from mlaas4hep.features.statistics.specs import Specs
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.process_memory import give_back
from mlaas4hep.streaming.ranges import FileRange, file_ranges
from mlaas4hep.streaming.scan.counting import count, no_event, used_tasks
from mlaas4hep.streaming.scan.labels import check_labels
from mlaas4hep.streaming.scan.pipeline import Pipeline, Selected
from mlaas4hep.streaming.scan.result import ClassCount, FileScan, Scan, add_counts

__all__ = ["RangeSpecs", "scan"]


@dataclass(frozen=True)
class RangeSpecs:
    """Reads a range: the events that are used, without their columns, and specs of the training events among them."""

    pipeline: Pipeline

    def __call__(self, task: FileRange) -> tuple[Selected, Specs]:
        """See the class. Errors as for `Pipeline.apply`."""
        selected = self.pipeline(task)
        training = selected.index[selected.part == TRAIN]
        specs = Specs.of(selected.columns, len(training), self.pipeline.missing, training)
        return replace(selected, columns={}), specs


def scan(
    files: Sequence[DataFile],
    pipeline: Pipeline,
    *,
    events: int = -1,
    executor: Executor | None = None,
    count_labels: bool = True,
    monitor: Monitor,
) -> Scan:
    """Go over all files once; if ``events`` limits them, up to there, and before that once over what decides the limit.

    Args:
        files: in canonical order.
        pipeline: what is done to every range.
        events: events to use after the cuts over all files, in proportion to what passes in each; -1: all.
        executor: reads the ranges. Default: this thread does.
        count_labels: keep counts by label; false for regression: then all events stand under None.
        monitor: told about progress.

    Raises:
        NoEventsError: no event passes, or fewer than asked for.
        LabelError: a label is NaN or infinite, or is not a number where numbers are wanted.
    """
    executor = executor or Executor()
    tasks = list(file_ranges(files, len(pipeline.needed), together=len(files)))
    counted = None
    if events >= 0:
        counted = count(files, tasks, pipeline, executor, monitor, by_label=count_labels)
        tasks = list(used_tasks(counted, files, events, selects=pipeline.selects))
    result = [FileScan() for _ in files]
    specs: Specs | None = None
    labels: dict[Hashable, ClassCount] = {}
    unweighted = 0
    with monitor.stage("specs", sum(map(len, tasks))) as advance:
        for task, (selected, part) in zip(tasks, executor.map(RangeSpecs(pipeline), tasks), strict=True):
            result[task.number].add(task, selected)
            check_labels(task.file, selected, pipeline.label_branch, numbers=not count_labels)
            add_counts(labels, task.file, selected, by_label=count_labels)
            specs = part if specs is None else specs + part
            unweighted += selected.unweighted
            advance(len(task), "")
    give_back()
    if specs is None or not any(file.used for file in result):
        raise no_event(files, result)
    passing = labels
    if counted is not None:
        unweighted, passing = counted.unweighted, counted.labels
        for found, before in zip(result, counted.files, strict=True):
            found.cutflow = before.cutflow
    if unweighted:
        monitor.note(
            f"{unweighted} events that the cuts remove have no finite weight: they count as 0 in the cutflow's sums"
        )
    sums = {label: reduce(ExactSum.merge, found.weights) for label, found in passing.items()}
    return Scan(result, specs, labels, sums)
