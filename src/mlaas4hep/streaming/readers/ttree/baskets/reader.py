"""Columns of a range of entries straight from the baskets of a TTree.

What takes time (reading, decompressing, copying) is done in the thread that asks, without the GIL, so several threads
read several ranges at the same time. uproot gives the tree and, for remote files, the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.ttree.baskets.cache import BasketCache, Kept, Place
from mlaas4hep.streaming.readers.ttree.baskets.files import Found, Ranges, groups_of
from mlaas4hep.streaming.readers.ttree.baskets.kernels import find_lists
from mlaas4hep.streaming.readers.ttree.baskets.raw import BasketError, Key, decompress, key_of
from mlaas4hep.streaming.readers.ttree.baskets.tables import Table

__all__ = ["read_baskets"]

_ALIGN = 7


def read_baskets(
    source: Any, tables: Mapping[str, Table], start: int, stop: int, cache: BasketCache | None = None
) -> dict[str, Column]:
    """Return the entries ``start`` to ``stop`` of all branches.

    Args:
        source: uproot's source of the file.
        tables: branches by name.
        start: first entry.
        stop: behind the last entry; not beyond the last of any table.
        cache: where baskets are kept that go beyond the range.

    Returns:
        A column for each table: what uproot reads, bit for bit; offsets begin at 0.

    Raises:
        OSError: the file cannot be read.
        Exception: a basket is damaged or not as expected; no data are returned then.
    """
    cache = BasketCache(0) if cache is None else cache
    needed = {name: table.baskets(start, stop) for name, table in tables.items()}
    kept = cache.find((name, i) for name, baskets in needed.items() for i in baskets)
    wanted = {name: _ranges(name, tables[name], baskets, kept) for name, baskets in needed.items()}
    columns: dict[str, Column] = {}
    scratch = _Scratch()
    for names, found in groups_of(source, wanted):
        for name in names:
            columns[name] = _Branch(name, tables[name], found, kept, cache).column(start, stop, scratch)
    cache.drop((name, i) for name, i in kept if tables[name].edges[i + 1] <= stop)
    return {name: columns[name] for name in tables}


def _ranges(name: str, table: Table, baskets: range, kept: Mapping[Place, Kept]) -> Ranges:
    return [(table.seeks[i], table.seeks[i] + table.sizes[i]) for i in baskets if (name, i) not in kept]


class _Scratch:
    """Memory for the decompressed baskets of one branch, used again for the next."""

    def __init__(self) -> None:
        self._memory: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)

    def of_size(self, size: int) -> NDArray[np.uint8]:
        """Return this many bytes, rounded up to a multiple of 8."""
        size = (size + _ALIGN) & ~_ALIGN
        if len(self._memory) < size:
            self._memory = np.empty(size + size // 4 & ~_ALIGN, dtype=np.uint8)
        return self._memory[:size]


@dataclass(frozen=True, slots=True)
class _Branch:
    """What is needed to read one branch: its table, its baskets from the file, and those that were kept."""

    name: str
    table: Table
    found: Found
    kept: Mapping[Place, Kept]
    cache: BasketCache

    def column(self, start: int, stop: int, scratch: _Scratch) -> Column:
        """Lay the decompressed baskets side by side and copy what is wanted."""
        edges, rows = self.table.edges, []
        work: list[tuple[int, Key, memoryview | None]] = []
        size = 0
        for i in self.table.baskets(start, stop):
            entries = edges[i + 1] - edges[i]
            if not entries:
                continue
            key, data = self._basket(i, entries)
            first, last = max(start - edges[i], 0), min(stop, edges[i + 1]) - edges[i]
            rows.append((size, key.border, entries, first, last, key.length))
            work.append((i, key, data))
            size = (size + key.size + _ALIGN) & ~_ALIGN
        raw = scratch.of_size(size)
        for (place, *_), (i, key, data) in zip(rows, work, strict=True):
            out = raw[place : place + key.size]
            if data is None:
                out[:] = self.kept[self.name, i].data
                continue
            decompress(data[key.length :], out)
            if edges[i + 1] > stop:
                self.cache.keep((self.name, i), key, out)
        if self.table.jagged:
            _check_tables(rows, [key for _, key, _ in work])
            return _lists(self.table, raw, rows, stop - start)
        return _numbers(self.table, raw, rows, stop - start)

    def _basket(self, i: int, entries: int) -> tuple[Key, memoryview | None]:
        """Key and bytes of a basket; no bytes if it was kept."""
        kept = self.kept.get((self.name, i))
        if kept is not None:
            return kept.key, None
        data = self.found[self.table.seeks[i]]
        if len(data) != self.table.sizes[i]:
            msg = "a basket is cut off"
            raise BasketError(msg)
        return key_of(data, entries), data


def _check_tables(rows: Sequence[tuple[int, ...]], keys: Sequence[Key]) -> None:
    """Behind the lists there is a count, an offset an entry and one more number, each of 4 bytes."""
    for (_, border, entries, *_), key in zip(rows, keys, strict=True):
        if key.size - border != 4 * (entries + 2):
            msg = "the table of offsets has a wrong size"
            raise BasketError(msg)


def _numbers(table: Table, raw: NDArray[np.uint8], rows: Sequence[tuple[int, ...]], entries: int) -> Column:
    width, item = table.width, table.dtype.itemsize
    out = np.empty(entries * width, dtype=table.dtype)
    stored = raw.view(table.stored)
    at = 0
    for place, border, count, first, last, _ in rows:
        if border != count * width * item:
            msg = "a basket has a wrong size"
            raise BasketError(msg)
        begin, size = place // item + first * width, (last - first) * width
        out[at : at + size] = stored[begin : begin + size]
        at += size
    _check_length(at, len(out))
    return Jagged(np.arange(entries + 1, dtype=np.int64) * width, out) if table.fixed else out


def _lists(table: Table, raw: NDArray[np.uint8], rows: Sequence[tuple[int, ...]], entries: int) -> Column:
    offsets = np.empty(entries + 1, dtype=np.int64)
    _check_length(sum(row[4] - row[3] for row in rows), entries)
    runs = np.empty((len(rows), 3), dtype=np.int64)
    baskets = np.array(rows, dtype=np.int64).reshape(len(rows), 6)
    total = find_lists(raw, baskets, table.header, table.dtype.itemsize, offsets, runs)
    if total < 0:
        msg = "a basket has wrong offsets"
        raise BasketError(msg)
    out = np.empty(total, dtype=table.dtype)
    stored = raw.view(table.stored)
    for begin, at, size in runs.tolist():
        out[at : at + size] = stored[begin : begin + size]
    return Jagged(offsets, out)


def _check_length(found: int, wanted: int) -> None:
    if found != wanted:
        msg = f"{found} and not {wanted} were found"
        raise BasketError(msg)
