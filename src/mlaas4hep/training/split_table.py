"""Which event went where: a table for those who want to check, or to train something else on the same split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlaas4hep.bundle.files import beside, replace
from mlaas4hep.streaming.dataset import Dataset

__all__ = ["write_split"]


def write_split(dataset: Dataset, path: Path) -> None:
    """Write a Parquet file, one row a used event, sorted by file and entry.

    Columns: ``file`` (int32, position as given by the user), ``entry`` (int64), ``part`` (int8: 0 train, 1 validation,
    2 test), ``y`` (class index or target), ``weight`` (float64, physics weight).

    Raises:
        OutputError: it cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    blocks = list(dataset.in_order())
    names = ("file", "entry", "part", "y", "weight")
    columns = {name: np.concatenate([getattr(block, name) for block in blocks]) for name in names}
    order = np.lexsort((columns["entry"], columns["file"]))
    with beside(path.absolute()) as partial:
        parquet.write_table(pa.table({name: column[order] for name, column in columns.items()}), partial)
        replace(partial, path.absolute())
