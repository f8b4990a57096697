"""Which ranges of a file are read together, and several of them at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from itertools import islice, pairwise
from typing import TypeVar

__all__ = ["TARGET_EVENTS", "narrowed", "ordered_map", "ranges_of", "stopped", "target_events"]

TARGET_EVENTS = 16_384
_FILES_AT_TARGET = 16
_SMALLEST_TARGET = 1_024
_VALUES = 1 << 22
"""Values of all branches that a range has with few files."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def target_events(files: int) -> int:
    """Entries a range should have, so that one range of each of so many files fits into memory."""
    return max(_SMALLEST_TARGET, TARGET_EVENTS * _FILES_AT_TARGET // max(files, _FILES_AT_TARGET))


def narrowed(target: int, files: int, branches: int) -> int:
    """Return fewer entries than ``target`` where so many branches are read that a range would be large."""
    return max(1, min(target, _VALUES * _FILES_AT_TARGET // (max(files, _FILES_AT_TARGET) * max(1, branches))))


def ranges_of(clusters: Sequence[int], target: int) -> list[tuple[int, int]]:
    """Ranges of about ``target`` entries that begin and end at cluster boundaries where that is possible.

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


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    ahead: int | None = None,
    pool: Executor | None = None,
) -> Iterator[Result]:
    """Results in the order of the items, computed by ``workers`` threads.

    The first error is raised at its place, and nothing more is started after it.

    Args:
        function: of one item.
        items: taken one after another, as they are needed.
        workers: threads.
        ahead: items that may be worked on or wait for the caller. Default: two for each worker, and none with one
            worker, where the caller's own thread does the work.
        pool: the threads, if there are some already.
    """
    if workers == 1 and ahead is None:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    rest = iter(items)
    with nullcontext(pool) if pool else ThreadPoolExecutor(workers, thread_name_prefix="mlaas4hep-work") as threads:
        try:
            waiting.extend(threads.submit(function, item) for item in islice(rest, ahead or 2 * workers))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(threads.submit(function, item) for item in islice(rest, 1))
                yield result
        finally:
            stopped(waiting)


def stopped(futures: Iterable[Future[Result]]) -> None:
    """What was not begun is not begun any more; waits for what was."""
    begun = [future for future in futures if not future.cancel()]
    wait(begun)
