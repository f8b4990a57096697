"""Parquet through pyarrow: row groups are the clusters; list columns are jagged; nulls are missing values.

A row group of a million rows, as pandas writes it, is read on from range to range, and is never in memory as a whole.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.reading import CorruptFileError
from mlaas4hep.errors.text import first_line
from mlaas4hep.features.columns import Column
from mlaas4hep.streaming.readers.common import Reader, clusters_of
from mlaas4hep.streaming.readers.files import digest, open_raw
from mlaas4hep.streaming.readers.tables.arrow import branch_of, from_arrow, labels_of
from mlaas4hep.streaming.readers.tables.cursor import Cursors

__all__ = ["ParquetSource"]

_WHOLE = 1 << 16
"""Rows of a row group that is read as a whole; of a larger one a range is read by going on from the last."""

_BLOCK = 1 << 14
_BUFFER = 1 << 18


class ParquetSource(Reader):
    """A Parquet file.

    Raises:
        FileReadError: no such file, or no Parquet.
    """

    _has_text = True

    def __init__(self, path: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        self._lock = threading.Lock()
        self._cursors: Cursors[Any] = Cursors(self._blocks)
        self._identity = digest(path)
        self._raw = open_raw(path)
        try:
            self._file = pq.ParquetFile(self._raw, buffer_size=_BUFFER)
            metadata = self._file.metadata
            rows = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
            self._bounds = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)]).astype(np.int64)
            self._entries = int(metadata.num_rows)
            self._sequential = max(rows, default=0) > _WHOLE
            self._clusters = clusters_of(self._bounds.tolist(), self._entries)
            nullable = _nullable(metadata)
            self._branches = {
                field.name: branch_of(field.name, field.type, nullable=field.name in nullable)
                for field in self._file.schema_arrow
            }
            self._compression = _compression(metadata)
        except (pa.ArrowException, OSError) as error:
            self._raw.close()
            raise CorruptFileError(f"is not a Parquet file, or damaged: {first_line(error)}", where=path) from error

    def close(self) -> None:
        """Release the file."""
        self._cursors.close()
        self._file.close()
        self._raw.close()

    def read_labels(self, branch: str, start: int, stop: int) -> NDArray[Any]:
        """See `Source`."""
        self.branch(branch)
        self.check_range(start, stop)
        return labels_of(self._table([branch], start, stop)[branch], branch, self.place, start)

    def _text(self, branch: str, start: int, stop: int) -> list[str | None]:
        return list(self._table([branch], start, stop)[branch].to_pylist())

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        table = self._table(names, start, stop)
        return {name: from_arrow(table[name], self._branches[name]) for name in names}

    def _table(self, names: list[str], start: int, stop: int) -> Any:
        import pyarrow as pa

        first = max(int(np.searchsorted(self._bounds, start, side="right")) - 1, 0)
        last = max(int(np.searchsorted(self._bounds, stop, side="left")), first)
        parts = [self._part(names, group, start, stop) for group in range(first, min(last, len(self._bounds) - 1))]
        return pa.concat_tables(parts) if parts else self._file.schema_arrow.empty_table().select(names)

    def _part(self, names: list[str], group: int, start: int, stop: int) -> Any:
        """The rows from ``start`` to ``stop`` that lie in a row group."""
        import pyarrow as pa

        begin, end = int(self._bounds[group]), int(self._bounds[group + 1])
        low, high = max(start, begin) - begin, min(stop, end) - begin
        try:
            if end - begin <= _WHOLE:
                with self._lock:
                    return self._file.read_row_group(group, columns=names).slice(low, high - low)
            pieces = self._cursors.pieces((group, *sorted(names)), low, high, last=high == end - begin)
            schema = pa.schema([self._file.schema_arrow.field(name) for name in names])
            return pa.Table.from_batches([batch.select(names).slice(a, b - a) for batch, a, b in pieces], schema)
        except (pa.ArrowException, OSError) as error:
            what = f"rows {start} to {stop} of {', '.join(names[:3])} cannot be read: {first_line(error)}"
            raise CorruptFileError(what, where=self._path) from error

    def _blocks(self, key: Hashable) -> Iterator[Any]:
        """Rows of some columns of a row group, from its beginning."""
        assert isinstance(key, tuple)
        with self._lock:
            batches = self._file.iter_batches(_BLOCK, row_groups=[key[0]], columns=list(key[1:]), use_threads=False)
        while True:
            with self._lock:
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def _nullable(metadata: Any) -> set[str]:
    """Columns in which a value is missing, or may be as nobody counted."""
    found = set()
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            schema = metadata.schema.column(index)
            statistics = column.statistics
            counted = statistics is not None and statistics.has_null_count
            nested = schema.max_repetition_level > 0
            # An empty list counts as a null, so that nested columns are decided by whether items may be null.
            if schema.max_definition_level and (statistics.null_count > 0 if counted else True) and not nested:
                found.add(column.path_in_schema.split(".")[0])
    return found


def _compression(metadata: Any) -> str | None:
    if not metadata.num_row_groups or not metadata.num_columns:
        return None
    name = str(metadata.row_group(0).column(0).compression)
    return None if name == "UNCOMPRESSED" else name
