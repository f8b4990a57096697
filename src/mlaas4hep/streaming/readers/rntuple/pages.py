"""Elements of the columns of an RNTuple, page by page: only the pages that hold some of them are decompressed.

All that is asked of uproot's RNTuple below the level of fields is asked here.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.streaming.readers.rntuple.cache import PageCache

__all__ = ["Pages"]

_EDGES = 1 << 12
_UNKNOWN = 1 << 62
_WHOLE = -1  # instead of the number of a page: the column of the whole cluster


class Pages:
    """The columns of an RNTuple; may be used by several threads at the same time.

    Args:
        ntuple: uproot's object.
    """

    def __init__(self, ntuple: Any) -> None:
        self._ntuple = ntuple
        self._cache = PageCache()
        self._edges = lru_cache(_EDGES)(self._find_edges)

    def close(self) -> None:
        """Forget what is kept."""
        self._cache.clear()

    def part(self, cluster: int, column: int, first: int, last: int, *, again: int = 0, size: int = 0) -> NDArray[Any]:
        """Elements of a column of a cluster.

        Args:
            cluster: number of the cluster.
            column: number of the column.
            first: first element, from the beginning of the cluster.
            last: behind the last element.
            again: this many of the first ones belong to what was read before, and are needed again.
            size: elements that the column must have in this cluster; those that were written before the column was
                added are zeros. 0: as many as there are.

        Returns:
            Elements [last - first], a new array or one not to be changed; of indices, where each list ends.
        """
        edges = self._edges(cluster, column)
        if edges is None:
            used = last - first - again
            make = partial(self._whole, cluster, column, size)
            return self._cache.part((cluster, column, _WHOLE), size or _UNKNOWN, used, first, last, make)
        if first >= last:
            return np.empty(0, dtype=self._ntuple.get_field_metadata(column).dtype_result)
        begin, end = np.searchsorted(edges, [first, last - 1], side="right") - 1
        if last > edges[-1]:
            msg = f"column {column} has only {edges[-1]} of {last} elements"
            raise ValueError(msg)
        parts = []
        for page in range(int(begin), int(end) + 1):
            start, stop = int(edges[page]), int(edges[page + 1])
            lower, upper = max(first, start), min(last, stop)
            used = upper - max(first + again, start)
            make = partial(self._page, cluster, column, page)
            place, count = (cluster, column, page), stop - start
            parts.append(self._cache.part(place, count, used, lower - start, upper - start, make))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _find_edges(self, cluster: int, column: int) -> NDArray[np.int64] | None:
        """First element of each page, and behind the last the number of elements; None: uproot puts it together.

        That is so for a column that was added later, or has other representations.
        """
        links = self._ntuple.page_link_list[cluster]
        metadata = self._ntuple.get_field_metadata(column)
        if column >= len(links) or links[column].suppressed or metadata.dtype != metadata.dtype_result:
            return None
        if self._ntuple.column_records[column].first_element_index:
            return None
        counts = [page.num_elements for page in links[column].pages]
        return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)

    def _page(self, cluster: int, column: int, page: int) -> NDArray[Any]:
        metadata = self._ntuple.get_field_metadata(column)
        count = self._ntuple.page_link_list[cluster][column].pages[page].num_elements
        data = np.empty(count, dtype=metadata.dtype_result)
        self._ntuple.read_page(data, cluster, column, page, metadata)
        self._ntuple.post_process(data, metadata)
        return data

    def _whole(self, cluster: int, column: int, size: int) -> NDArray[Any]:
        import uproot

        found = self._ntuple.read_cluster_range(column, cluster, cluster + 1)
        if self._ntuple.get_field_metadata(column).dtype_byte in uproot.const.rntuple_index_types:
            found = found[1:]  # a zero before the first end
        missing = max(0, size - len(found))
        return np.concatenate([np.zeros(missing, dtype=found.dtype), found]) if missing else found
