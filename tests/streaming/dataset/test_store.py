"""What a store on disk keeps of the rows that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.streaming.cache import Cache
from mlaas4hep.streaming.dataset.rows import Rows, side_dtype
from mlaas4hep.streaming.dataset.store import DiskStore
from mlaas4hep.streaming.scan.result import RangeCount

WIDTH = 3
TARGET = np.dtype(np.int64)
RANGES = (RangeCount(0, 10, 6, (3, 2, 1)), RangeCount(10, 20, 4, (4, 0, 0)))


def rows_of(found: RangeCount, part: int | None = None) -> Rows:
    """Rows as a reader gives them: of all parts, or of one."""
    counts = [n if part in {None, index} else 0 for index, n in enumerate(found.parts)]
    first, second, third = np.cumsum(counts).tolist()
    raw = np.arange(third * WIDTH, dtype=np.float32).reshape(third, WIDTH) + found.start
    side = np.zeros(third, dtype=side_dtype(TARGET))
    side["entry"] = found.start + np.arange(third)
    return Rows(raw, side, (0, first, second, third))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    """An empty one."""
    store = DiskStore(Cache(tmp_path / "cache", 2**20, print), "ab" * 16, RANGES, WIDTH, TARGET)
    yield store
    store.close()


def test_rows_of_all_parts_are_kept(store: DiskStore) -> None:
    for number, found in enumerate(RANGES):
        store.put(number, rows_of(found))
        kept, wanted = store.get(number), rows_of(found)
        assert kept is not None
        assert kept.bounds == wanted.bounds
        np.testing.assert_array_equal(kept.raw, wanted.raw)
        np.testing.assert_array_equal(kept.side, wanted.side)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_rows_of_one_part_are_not_kept(store: DiskStore, part: int) -> None:
    store.put(0, rows_of(RANGES[0], part))
    assert store.get(0) is None
    store.put(0, rows_of(RANGES[0]))  # its place is free still
    kept = store.get(0)
    assert kept is not None
    assert len(kept) == RANGES[0].used


def test_a_part_that_is_all_there_is_counts_as_all(store: DiskStore) -> None:
    store.put(1, rows_of(RANGES[1], 0))
    kept = store.get(1)
    assert kept is not None
    assert kept.bounds == (0, 4, 4, 4)
