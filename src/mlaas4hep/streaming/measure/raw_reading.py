"""Reading alone, in turn from several files and bounded in time: what all else is compared with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from mlaas4hep.errors import NoEventsError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.measure.head import Head, stored_bytes
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.process_memory import peak_memory
from mlaas4hep.streaming.ranges import FileRange, ranges_of, target_events

__all__ = ["Step", "read_raw"]


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: raw, specs, chunks or cached.
        events: that were read.
        seconds: taken.
        branch_bytes: uncompressed numbers of the branches.
        file_bytes: of the file that hold them; None if not known.
        column_bytes: of the float32 columns that came out.
        peak: largest memory of the process until the end of the step, bytes.
    """

    name: str
    events: int
    seconds: float
    branch_bytes: int
    file_bytes: int | None
    column_bytes: int
    peak: int


def read_raw(
    files: Sequence[DataFile], names: tuple[str, ...], executor: Executor, events: int, seconds: float, monitor: Monitor
) -> tuple[Step, list[DataFile]]:
    """Read the branches ``names`` of the files in turn and do nothing with them.

    Args:
        files: open ones.
        names: branches.
        executor: reads the ranges.
        events: at most this many over all files; -1: all.
        seconds: no further range is waited for after so long.
        monitor: told about progress.

    Returns:
        What was done, and the files cut to what was read of them.

    Raises:
        NoEventsError: there is no event.
    """
    total = sum(file.source.entries for file in files)
    limit = total if events < 0 else min(events, total)
    ends = dict.fromkeys(range(len(files)), 0)
    size = done = 0
    tasks = list(_ranges(files, limit))
    start = time.perf_counter()

    with monitor.stage("raw reading", limit) as advance:
        for task, read_bytes in zip(tasks, executor.map(_RawBytes(names), tasks), strict=True):
            ends[task.number] = task.stop
            size, done = size + read_bytes, done + len(task)
            advance(len(task), "")
            if time.perf_counter() - start > seconds:
                break
    taken = time.perf_counter() - start
    if not done:
        raise NoEventsError("the files hold no event")
    heads = [replace(files[n], source=Head(files[n].source, end)) for n, end in ends.items() if end]
    return Step("raw", done, taken, size, stored_bytes(heads, names), 0, peak_memory()), heads


@dataclass(frozen=True)
class _RawBytes:
    """Reads branches of a range; the result is how many bytes their numbers have."""

    names: tuple[str, ...]

    def __call__(self, task: FileRange) -> int:
        with task.file.blamed():
            return sum(map(_bytes, task.file.source.read(self.names, task.start, task.stop).values()))


def _ranges(files: Sequence[DataFile], limit: int) -> Iterator[FileRange]:
    """The first ranges of all files, then the second ones, and so on; ``limit`` entries, each file has its share."""
    target, total = target_events(len(files)), sum(file.source.entries for file in files)
    ends = [-(-limit * file.source.entries // max(total, 1)) for file in files]
    ranges = [[(n, *found) for found in ranges_of(file.source.clusters, target)] for n, file in enumerate(files)]
    for turn in zip_longest(*ranges):
        for found in turn:
            if found is not None:
                number, first, last = found
                last = min(last, ends[number], first + limit)
                if last > first:
                    limit -= last - first
                    yield FileRange(files[number], first, last, number)


def _bytes(column: Column) -> int:
    return int(column.values.nbytes if isinstance(column, Jagged) else column.nbytes)
