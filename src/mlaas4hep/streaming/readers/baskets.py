"""Columns of a range of entries straight from the baskets of a TTree.

What takes time (reading, decompressing, copying) is done in the thread that asks, without the GIL, so several threads
read several ranges at the same time. uproot gives the tree and, for remote files, the bytes.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.basket_bytes import BasketError, Key, decompress, key_of
from mlaas4hep.streaming.readers.basket_kernels import find_lists
from mlaas4hep.streaming.readers.basket_tables import Table
from mlaas4hep.streaming.readers.local_source import LocalSource

__all__ = ["read_baskets"]

_GROUP = 1 << 23  # compressed bytes that are read at once from a local file
_GAP = 1 << 15  # bytes nobody asked for that are read rather than skipped
_ALIGN = 7

_Found = Mapping[int, memoryview]


def read_baskets(source: Any, tables: Mapping[str, Table], start: int, stop: int) -> dict[str, Column]:
    """The entries ``start`` to ``stop`` of all branches.

    Args:
        source: uproot's source of the file.
        tables: branches by name.
        start: first entry.
        stop: behind the last entry; not beyond the last of any table.

    Returns:
        A column for each table: what uproot reads, bit for bit; offsets begin at 0.

    Raises:
        OSError: the file cannot be read.
        Exception: a basket is damaged or not as expected; no data are returned then.
    """
    columns: dict[str, Column] = {}
    scratch = _Scratch()
    for names, found in _groups(source, tables, start, stop):
        for name in names:
            columns[name] = _column(tables[name], found, start, stop, scratch)
    return {name: columns[name] for name in tables}


class _Scratch:
    """Memory for the decompressed baskets of one branch, used again for the next."""

    def __init__(self) -> None:
        self._memory: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)

    def of_size(self, size: int) -> NDArray[np.uint8]:
        """So many bytes, rounded up to a multiple of 8."""
        size = (size + _ALIGN) & ~_ALIGN
        if len(self._memory) < size:
            self._memory = np.empty(size + size // 4 & ~_ALIGN, dtype=np.uint8)
        return self._memory[:size]


def _groups(source: Any, tables: Mapping[str, Table], start: int, stop: int) -> Iterator[tuple[list[str], _Found]]:
    """Branches, and all their baskets in the file: a few branches at a time if the file is local, else all at once."""
    wanted = {name: _ranges(table, start, stop) for name, table in tables.items()}
    if not isinstance(source, LocalSource):
        yield list(wanted), _fetch_remote(source, [pair for pairs in wanted.values() for pair in pairs])
        return
    names: list[str] = []
    pairs: list[tuple[int, int]] = []
    size = 0
    for name in sorted(wanted, key=lambda name: wanted[name][:1]):
        names.append(name)
        pairs += wanted[name]
        size += sum(end - begin for begin, end in wanted[name])
        if size >= _GROUP:
            yield names, _fetch_local(source, pairs)
            names, pairs, size = [], [], 0
    yield names, _fetch_local(source, pairs)


def _ranges(table: Table, start: int, stop: int) -> list[tuple[int, int]]:
    return [(table.seeks[i], table.seeks[i] + table.sizes[i]) for i in table.baskets(start, stop)]


def _fetch_local(source: LocalSource, pairs: list[tuple[int, int]]) -> _Found:
    """Baskets by the place where they begin; those near each other are read together."""
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


def _fetch_remote(source: Any, pairs: list[tuple[int, int]]) -> _Found:
    """Baskets by the place where they begin, all in one request."""
    if not pairs:
        return {}
    chunks = source.chunks(pairs, notifications=queue.Queue())
    return {chunk.start: memoryview(chunk.raw_data) for chunk in chunks}


def _column(table: Table, found: _Found, start: int, stop: int, scratch: _Scratch) -> Column:
    """Decompress the baskets of one branch side by side and copy what is wanted."""
    edges, rows, places = table.edges, [], []
    keys: list[tuple[memoryview, Key]] = []
    size = 0
    for i in table.baskets(start, stop):
        data = found[table.seeks[i]]
        entries = edges[i + 1] - edges[i]
        if not entries:
            continue
        if len(data) != table.sizes[i]:
            msg = "a basket is cut off"
            raise BasketError(msg)
        key = key_of(data, entries)
        first, last = max(start - edges[i], 0), min(stop, edges[i + 1]) - edges[i]
        rows.append((size, key.border, entries, first, last, key.length))
        keys.append((data, key))
        places.append(size)
        size = (size + key.size + _ALIGN) & ~_ALIGN
    raw = scratch.of_size(size)
    for (data, key), place in zip(keys, places, strict=True):
        decompress(data[key.length :], raw[place : place + key.size])
    if table.jagged:
        _check_tables(rows, keys)
        return _lists(table, raw, rows, stop - start)
    return _numbers(table, raw, rows, stop - start)


def _check_tables(rows: Sequence[tuple[int, ...]], keys: list[tuple[memoryview, Key]]) -> None:
    """Behind the lists there is a count, an offset an entry and one more number, each of 4 bytes."""
    for (_, border, entries, *_), (_, key) in zip(rows, keys, strict=True):
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
