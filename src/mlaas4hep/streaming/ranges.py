"""Which ranges of files are read together: the tasks of specs, chunks, predictions and evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlaas4hep.streaming.files import DataFile

__all__ = ["TARGET_EVENTS", "FileRange", "file_ranges", "narrowed", "ranges_of", "target_events"]

TARGET_EVENTS = 16_384
_FILES_AT_TARGET = 16
_SMALLEST_TARGET = 1_024
_VALUES = 1 << 22
"""Values of all branches that a range has with few files."""


@dataclass(frozen=True)
class FileRange:
    """A range of entries of a file: the task of a pure function.

    Attributes:
        file: the open file; where a range is unpickled, the file is opened again.
        start: first entry.
        stop: the entry behind the last one.
        number: position of the file among those that are read.
        most: events that are used of those that pass the cuts, the first ones; None: all.
    """

    file: DataFile
    start: int
    stop: int
    number: int = 0
    most: int | None = None

    def __len__(self) -> int:
        return self.stop - self.start


def file_ranges(files: Sequence[DataFile], branches: int, *, together: int) -> Iterator[FileRange]:
    """Yield the ranges of all files, file by file in order.

    Args:
        files: open ones.
        branches: number of branches that are read, but for those that the user's function is given.
        together: number of files whose ranges are in memory at the same time.
    """
    branches += max((len(file.source.computed.given) for file in files if file.source.computed), default=0)
    target = narrowed(target_events(together), together, branches)
    for number, file in enumerate(files):
        for start, stop in ranges_of(file.source.clusters, target):
            yield FileRange(file, start, stop, number)


def target_events(files: int) -> int:
    """Return how many entries a range should have, so that one range of each of ``files`` files fits into memory."""
    return max(_SMALLEST_TARGET, TARGET_EVENTS * _FILES_AT_TARGET // max(files, _FILES_AT_TARGET))


def narrowed(target: int, files: int, branches: int) -> int:
    """Return fewer entries than ``target`` where a range of this many branches would be large."""
    return max(1, min(target, _VALUES * _FILES_AT_TARGET // (max(files, _FILES_AT_TARGET) * max(1, branches))))


def ranges_of(clusters: Sequence[int], target: int) -> list[tuple[int, int]]:
    """Return ranges of about ``target`` entries that begin and end at cluster boundaries where that is possible.

    Small clusters are read together; a cluster of more than twice the target is cut.

    Args:
        clusters: entry numbers, ascending, first 0, last the number of entries.
        target: wanted entries a range.
    """
    ranges: list[tuple[int, int]] = []
    begin = clusters[0]
    for start, stop in pairwise(clusters):
        if stop - start > 2 * target:
            if start > begin:
                ranges.append((begin, start))
            cuts = [*range(start, stop - target // 2, target), stop]
            ranges.extend(pairwise(cuts))
            begin = stop
        elif stop - begin >= target:
            ranges.append((begin, stop))
            begin = stop
    if clusters[-1] > begin:
        ranges.append((begin, clusters[-1]))
    return ranges
