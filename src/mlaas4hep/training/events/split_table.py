"""Which event went where: a table for those who want to check, or to train something else on the same split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.atomic.files import beside, replace
from mlaas4hep.streaming.dataset.dataset import Dataset

__all__ = ["write_split"]

NAMES = ("file", "entry", "part", "y", "weight")
ROWS = 1 << 18
"""Of a row group."""


def write_split(dataset: Dataset, path: Path) -> None:
    """Write a Parquet file, one row per used event, sorted by file and entry.

    Columns: ``file`` (int32, position as given by the user), ``entry`` (int64), ``part`` (int8: 0 train, 1 validation,
    2 test), ``y`` (class index or target), ``weight`` (float64, physics weight).

    Raises:
        OutputError: it cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with beside(path.absolute()) as partial:
        writer = None
        for columns in _tables(dataset):
            table = pa.table(columns)
            writer = writer or parquet.ParquetWriter(partial, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
        replace(partial, path.absolute())


def _tables(dataset: Dataset) -> Iterator[dict[str, NDArray[Any]]]:
    """Columns of some hundred thousand rows at a time."""
    waiting: list[list[NDArray[Any]]] = []
    for block in dataset.in_order(as_given=True):
        waiting.append([getattr(block, name) for name in NAMES])
        if sum(len(columns[0]) for columns in waiting) >= ROWS:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(blocks: list[list[NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    return {name: np.concatenate(parts) for name, parts in zip(NAMES, zip(*blocks, strict=True), strict=True)}
