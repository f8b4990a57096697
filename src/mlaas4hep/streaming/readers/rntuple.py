"""RNTuples: the same branches as the same data would have in a TTree, and columns of any range of entries."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.arrays import native
from mlaas4hep.streaming.readers.basket_cache import BasketCache
from mlaas4hep.streaming.readers.common import Reader, clusters_of
from mlaas4hep.streaming.readers.rntuple_fields import Field, fields_of
from mlaas4hep.streaming.readers.root_open import damage, unreadable

__all__ = ["RNTupleSource"]

_ALGORITHMS = {1: "ZLIB", 2: "LZMA", 4: "LZ4", 5: "ZSTD"}

_Reader = Callable[[int], NDArray[Any]]


class RNTupleSource(Reader):
    """An RNTuple opened with uproot; `read` may be called from several threads at the same time.

    Columns are read cluster by cluster; offsets that several branches of a collection share are read once, and so are
    the columns of a cluster that is cut into several ranges.
    """

    def __init__(self, path: str, tree: str, tree_object: Any, identity: str) -> None:
        self._path, self._tree, self._identity = path, tree, identity
        self._object = tree_object
        self._cache = BasketCache()
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
        self._cache = BasketCache()

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        if start == stop:
            return {name: _empty(self._fields[name]) for name in names}
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        last = int(np.searchsorted(self._starts, stop, side="left"))
        before = int(self._starts[first])

        end = int(self._starts[last]) if last < len(self._starts) else self._entries
        # Only columns of one cluster are kept: those of a range that cuts it.
        used = (
            {(index, first) for name in names for index in _columns(self._fields[name])} if last - first == 1 else set()
        )
        kept = self._cache.find(used)

        @cache
        def column(index: int) -> NDArray[Any]:
            if (index, first) in kept:
                return kept[index, first].data
            padding = max(self._object.column_records[index].first_element_index - before, 0)
            values: NDArray[Any] = self._object.read_cluster_range(index, first, last, missing_element_padding=padding)
            if (index, first) in used and stop < end:
                self._cache.keep((index, first), None, values)
            return values

        columns = {}
        for name in names:
            try:
                read = _slice(self._fields[name], column, start - before, stop - before)
                columns[name] = read if (start, stop) == (before, end) and not kept else _copy(read)
            except Exception as error:
                raise unreadable(self.place, {name: error}, f"{start} to {stop}") from error
        if stop == end:
            self._cache.drop(kept)
        return columns


def _columns(field: Field) -> set[int]:
    return {field.values, field.lists, field.present} - {-1}


def _copy(column: Column) -> Column:
    """What belongs to a part of a cluster, so that the rest of it can be forgotten."""
    return (
        Jagged(column.offsets - column.offsets[0], column.values.copy())
        if isinstance(column, Jagged)
        else column.copy()
    )


def _slice(field: Field, read: _Reader, start: int, stop: int) -> Column:
    if field.counts:
        offsets = _offsets(read(field.lists))
        return np.diff(offsets[start : stop + 1]).astype(field.branch.dtype)
    dtype = np.dtype(field.branch.dtype)
    if field.lists >= 0:
        offsets = _offsets(read(field.lists))[start : stop + 1]
        return Jagged(offsets, _leaf(field, read, dtype))
    values = _leaf(field, read, dtype)
    if field.branch.width is None:
        return values[start:stop]
    width = field.branch.width
    return Jagged.from_regular(values[start * width : stop * width].reshape(stop - start, width))


def _leaf(field: Field, read: _Reader, dtype: np.dtype[Any]) -> NDArray[Any]:
    values = native(read(field.values))
    if field.present >= 0:
        present = np.diff(_offsets(read(field.present))) > 0
        filled = np.full(len(present), np.nan, dtype=dtype)
        filled[present] = values[: np.count_nonzero(present)]
        return filled
    return values if values.dtype == dtype else values.astype(dtype)


def _offsets(column: NDArray[Any]) -> NDArray[np.int64]:
    return column.astype(np.int64, copy=False)


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
