"""The table of the split, against the hash computed in plain Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from mlaas4hep.errors import OutputError
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.events.split_table import write_split
from tests.support.trained import SAMPLES, Independent, Small
from tests.support.workflows import fitted, opened


def test_one_row_a_used_event_sorted_by_file_and_entry(small: Small, reference: Independent) -> None:
    table = parquet.read_table(small.split)
    assert table.column_names == ["file", "entry", "part", "y", "weight"]
    assert [str(kind) for kind in table.schema.types] == ["int32", "int64", "int8", "int64", "double"]
    names = list(SAMPLES)
    files, entries = table["file"].to_pylist(), table["entry"].to_pylist()
    assert [(names[file], entry) for file, entry in zip(files, entries, strict=True)] == reference.keys
    np.testing.assert_array_equal(table["part"], reference.part)
    np.testing.assert_array_equal(table["y"], reference.y)
    np.testing.assert_array_equal(table["weight"], reference.weight)


def test_a_place_that_cannot_be_written(small: Small, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    monitor = Collector()
    with opened(small.workflow) as files:
        trained = fitted(small.workflow, files, tmp_path, monitor)
        with pytest.raises(OutputError):
            write_split(trained.dataset, tmp_path / "file" / "split.parquet")
