"""The bytes of many baskets from a file: neighbours in one read if it is local, all in one request if it is remote."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping
from typing import Any

from mlaas4hep.streaming.readers.root.local import LocalSource

__all__ = ["Found", "Ranges", "groups_of"]

_GROUP = 1 << 23  # compressed bytes that are read at once from a local file
_GAP = 1 << 15  # bytes nobody asked for that are read rather than skipped

Ranges = list[tuple[int, int]]
Found = Mapping[int, memoryview]


def groups_of(source: Any, wanted: Mapping[str, Ranges]) -> Iterator[tuple[list[str], Found]]:
    """Branches, and all their baskets: some branches at a time if the file is local, else all at once.

    Args:
        source: uproot's source of the file.
        wanted: by branch, first byte and end of each basket.

    Yields:
        Names of branches, and their baskets by the place where they begin.

    Raises:
        OSError: the file cannot be read.
    """
    if not isinstance(source, LocalSource):
        yield list(wanted), _fetch_remote(source, [pair for pairs in wanted.values() for pair in pairs])
        return
    names: list[str] = []
    pairs: Ranges = []
    size = 0
    for name in sorted(wanted, key=lambda name: wanted[name][:1]):
        names.append(name)
        pairs += wanted[name]
        size += sum(end - begin for begin, end in wanted[name])
        if size >= _GROUP:
            yield names, _fetch_local(source, pairs)
            names, pairs, size = [], [], 0
    yield names, _fetch_local(source, pairs)


def _fetch_local(source: LocalSource, pairs: Ranges) -> Found:
    found: dict[int, memoryview] = {}
    pairs = sorted(pairs)
    at = 0
    while at < len(pairs):
        first, end = pairs[at]
        last = at + 1
        while last < len(pairs) and pairs[last][0] <= end + _GAP and pairs[last][1] <= first + _GROUP:
            end = max(end, pairs[last][1])
            last += 1
        data = memoryview(source.bytes_at(first, end))
        for begin, stop in pairs[at:last]:
            found[begin] = data[begin - first : stop - first]
        at = last
    return found


def _fetch_remote(source: Any, pairs: Ranges) -> Found:
    if not pairs:
        return {}
    chunks = source.chunks(pairs, notifications=queue.Queue())
    return {chunk.start: memoryview(chunk.raw_data) for chunk in chunks}
