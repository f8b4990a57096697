"""Scores as Parquet and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["CsvFile", "ParquetFile"]


class _Table:
    """A file that one of pyarrow's writers fills."""

    _schema: Any
    _file: BinaryIO
    _writer: Any

    def write(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append rows."""
        import pyarrow as pa

        arrays = [pa.array(columns[field.name], type=field.type) for field in self._schema]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the end of the file."""
        try:
            self._writer.close()
        finally:
            self._file.close()


class ParquetFile(_Table):
    """A Parquet file, zstd-compressed; every `write` is a row group."""

    def __init__(self, path: Path, columns: dict[str, np.dtype[Any]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([(name, pa.from_numpy_dtype(kind)) for name, kind in columns.items()])
        self._schema = schema
        self._file = path.open("wb")  # an error of Python's own files has its number
        try:
            self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")
        except BaseException:
            self._file.close()
            raise


class CsvFile(_Table):
    """A CSV file with a header; floats with the digits they need to come back the same, booleans as 0 and 1."""

    def __init__(self, path: Path, columns: dict[str, np.dtype[Any]]) -> None:
        import pyarrow as pa
        from pyarrow.csv import CSVWriter, WriteOptions

        fields = [(name, pa.from_numpy_dtype(np.uint8 if kind.kind == "b" else kind)) for name, kind in columns.items()]
        self._schema = pa.schema(fields)
        self._file = path.open("wb")
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(columns)
        try:
            self._file.write(header.getvalue().encode())
            self._writer = CSVWriter(self._file, self._schema, write_options=WriteOptions(include_header=False))
        except BaseException:
            self._file.close()
            raise
