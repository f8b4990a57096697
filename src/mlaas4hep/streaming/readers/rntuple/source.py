"""RNTuples: the same branches as the same data would have in a TTree, and columns of any range of entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.common import Reader, clusters_of
from mlaas4hep.streaming.readers.rntuple.fields import Field, fields_of
from mlaas4hep.streaming.readers.rntuple.pages import Pages
from mlaas4hep.streaming.readers.root.arrays import native
from mlaas4hep.streaming.readers.root.directory import damage, is_lost, unreadable

__all__ = ["RNTupleSource"]

_ALGORITHMS = {1: "ZLIB", 2: "LZMA", 4: "LZ4", 5: "ZSTD"}


class RNTupleSource(Reader):
    """An RNTuple opened with uproot; `read` may be called from several threads at the same time.

    Only the pages that hold some of the entries are read. Those that hold others too are kept for these, and offsets
    that several branches of a collection share are read once.
    """

    def __init__(self, path: str, tree: str, tree_object: Any, identity: str) -> None:
        self._path, self._tree, self._identity = path, tree, identity
        self._object = tree_object
        self._pages = Pages(tree_object)
        try:
            self._fields = fields_of(tree_object)
            self._branches = {name: field.branch for name, field in self._fields.items()}
            summaries = tree_object.cluster_summaries
            self._entries = int(sum(summary.num_entries for summary in summaries))
            self._starts = np.array([summary.num_first_entry for summary in summaries], dtype=np.int64)
            self._clusters = clusters_of(self._starts.tolist(), self._entries)
            self._compression = _compression(tree_object)
        except Exception as error:
            raise damage(path, error, f"tree {tree} cannot be read") from error

    def close(self) -> None:
        """Release the file."""
        self._object.file.close()
        self._pages.close()

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        if start == stop:
            return {name: _empty(self._fields[name]) for name in names}
        ranges = [_Range(self._pages, *found) for found in self._ranges(start, stop)]
        columns: dict[str, Column] = {}
        failed: dict[str, BaseException] = {}
        for name in names:
            try:
                columns[name] = _joined([part.column(self._fields[name]) for part in ranges])
            except Exception as error:
                failed[name] = error
                if is_lost(error, self._path):  # do not wait for a lost server once more
                    break
        if failed:
            raise unreadable(self.place, failed, f"{start} to {stop}") from next(iter(failed.values()))
        return columns

    def _ranges(self, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
        """Clusters that have some of the entries: number, first entry within it and behind the last, and all it has."""
        ends = [*self._starts[1:].tolist(), self._entries]
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for cluster in range(first, len(ends)):
            begin = int(self._starts[cluster])
            if begin >= stop:
                return
            if ends[cluster] > max(begin, start):
                yield cluster, max(start - begin, 0), min(stop, ends[cluster]) - begin, ends[cluster] - begin


class _Range:
    """Some entries of one cluster."""

    def __init__(self, pages: Pages, cluster: int, start: int, stop: int, entries: int) -> None:
        self._pages, self._cluster, self._entries = pages, cluster, entries
        self._start, self._stop = start, stop
        self._ends: dict[int, NDArray[np.int64]] = {}

    def column(self, field: Field) -> Column:
        """Return the entries of one branch."""
        dtype = np.dtype(field.branch.dtype)
        if field.lists >= 0:
            offsets = self._ends.get(field.lists)
            if offsets is None:
                offsets = self._offsets(field.lists, self._start, self._stop, self._entries)
                self._ends[field.lists] = offsets
            if field.counts:
                return np.diff(offsets).astype(dtype)
            values = self._values(field, dtype, int(offsets[0]), int(offsets[-1]), 0)
            return Jagged(offsets - offsets[0], values)
        width = 1 if field.branch.width is None else field.branch.width
        values = self._values(field, dtype, self._start * width, self._stop * width, self._entries * width)
        if field.branch.width is None:
            return values
        return Jagged.from_regular(values.reshape(self._stop - self._start, width))

    def _values(self, field: Field, dtype: np.dtype[Any], first: int, last: int, size: int) -> NDArray[Any]:
        if field.present < 0:
            values = native(self._pages.part(self._cluster, field.values, first, last, size=size))
            return values if values.dtype == dtype else values.astype(dtype)
        offsets = self._offsets(field.present, first, last, size)
        values = native(self._pages.part(self._cluster, field.values, int(offsets[0]), int(offsets[-1])))
        filled = np.full(last - first, np.nan, dtype=dtype)
        filled[np.diff(offsets) > 0] = values
        return filled

    def _offsets(self, column: int, first: int, last: int, size: int) -> NDArray[np.int64]:
        """Where lists begin, and behind the last where it ends; the column says where each ends."""
        if first:
            found = self._pages.part(self._cluster, column, first - 1, last, again=1, size=size)
            return found.astype(np.int64, copy=False)
        ends = self._pages.part(self._cluster, column, first, last, size=size)
        return np.concatenate([np.zeros(1, dtype=np.int64), ends.astype(np.int64, copy=False)])


def _joined(parts: list[Column]) -> Column:
    if len(parts) == 1:
        return parts[0]
    lists = [part for part in parts if isinstance(part, Jagged)]
    if not lists:
        return np.concatenate([part for part in parts if not isinstance(part, Jagged)])
    counts = np.concatenate([part.counts for part in lists])
    return Jagged.from_counts(counts, np.concatenate([part.values for part in lists]))


def _empty(field: Field) -> Column:
    values = np.empty(0, dtype=field.branch.dtype)
    return values if field.branch.kind == "flat" else Jagged(np.zeros(1, dtype=np.int64), values)


def _compression(tree_object: Any) -> str | None:
    for columns in tree_object.page_link_list:
        for links in columns:
            settings = int(getattr(links, "compression_settings", 0) or 0)
            if settings % 100:
                return f"{_ALGORITHMS.get(settings // 100, 'unknown')}({settings % 100})"
    return None
