"""Parquet: lists, missing values, types, damage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlaas4hep.errors import FileReadError, UnsupportedBranchError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers import open_source


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "a.parquet"


def test_lists(path: Path) -> None:
    table = pa.table(
        {
            "list": pa.array([[1.0, None], [], None, [4.0]]),
            "large": pa.array([[1], [], [2, 3], []], pa.large_list(pa.int16())),
            "fixed": pa.array([[1, 2], [3, 4], [5, 6], [7, 8]], pa.list_(pa.int32(), 2)),
        }
    )
    pq.write_table(table, path, row_group_size=2)
    source = open_source(str(path), None)
    assert [(branch.kind, branch.dtype) for branch in source.branches.values()] == [
        ("jagged", "float64"),
        ("jagged", "int16"),
        ("jagged", "int32"),
    ]
    columns = source.read(["list", "large", "fixed"], 1, 4)
    assert all(isinstance(column, Jagged) for column in columns.values())
    assert columns["list"].tolist() == [[], [], [4.0]]
    assert columns["large"].tolist() == [[], [2, 3], []]
    assert columns["fixed"].tolist() == [[3, 4], [5, 6], [7, 8]]
    first = source.read(["list"], 0, 1)["list"]
    assert isinstance(first, Jagged)
    np.testing.assert_array_equal(first.values, [1.0, np.nan])


def test_missing_numbers_have_one_type_in_all_ranges(path: Path) -> None:
    table = pa.table(
        {"i": pa.array([1, 2, None, 4]), "b": pa.array([True, None, False, True]), "f": [1.0, None, 3.0, 4.0]}
    )
    pq.write_table(table, path, row_group_size=2)
    source = open_source(str(path), None)
    for start, stop in ((0, 2), (2, 4), (0, 4)):
        for column in source.read(["i", "b", "f"], start, stop).values():
            assert isinstance(column, np.ndarray)
            assert column.dtype == np.float64
    np.testing.assert_array_equal(source.read(["i"], 1, 4)["i"], [2, np.nan, 4])
    np.testing.assert_array_equal(source.read(["b"], 0, 4)["b"], [1, np.nan, 0, 1])


@pytest.mark.parametrize("kind", ["int8", "uint16", "uint64", "float16", "float32", "bool"])
def test_types(path: Path, kind: str) -> None:
    values = np.array([0, 1, 1]).astype(kind)
    pq.write_table(pa.table({"x": values}), path)
    source = open_source(str(path), None)
    assert source.branches["x"].dtype == kind
    np.testing.assert_array_equal(source.read(["x"], 1, 3)["x"], values[1:])


def test_decimals_and_dictionaries(path: Path) -> None:
    table = pa.table(
        {
            "decimal": pa.array([Decimal("1.5"), Decimal("2.5")]),
            "code": pa.array([7, 7]).dictionary_encode(),
            "word": pa.array(["s", "b"]).dictionary_encode(),
        }
    )
    pq.write_table(table, path)
    source = open_source(str(path), None)
    columns = source.read(["decimal", "code"], 0, 2)
    np.testing.assert_array_equal(columns["decimal"], [1.5, 2.5])
    np.testing.assert_array_equal(columns["code"], [7, 7])
    assert source.read_labels("word", 0, 2).tolist() == ["s", "b"]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[[1]]]),
        pa.array([["a"]]),
        pa.array([{"a": 1}]),
        pa.array([0], pa.timestamp("s")),
        pa.array([b"x"]),
    ],
    ids=lambda array: str(array.type),
)
def test_unsupported_columns(path: Path, array: pa.Array) -> None:
    pq.write_table(pa.table({"x": array}), path)
    source = open_source(str(path), None)
    assert source.branches["x"].kind == "unsupported"
    with pytest.raises(UnsupportedBranchError, match="branch x holds"):
        source.read(["x"], 0, 1)
    with pytest.raises(UnsupportedBranchError, match=r"column x holds .* which cannot be a label"):
        source.read_labels("x", 0, 1)


def test_missing_values_within_lists_of_integers(path: Path) -> None:
    pq.write_table(pa.table({"x": pa.array([[1, None]])}), path)
    with pytest.raises(FileReadError, match="column x has missing values within lists of int64; write it as lists"):
        open_source(str(path), None).read(["x"], 0, 1)


def test_damaged_row_group(path: Path) -> None:
    pq.write_table(pa.table({"x": np.random.default_rng(0).normal(size=5000)}), path, compression="gzip")
    data = bytearray(path.read_bytes())
    data[200:900] = bytes(700)
    path.write_bytes(data)
    with pytest.raises(FileReadError, match=r"a\.parquet: rows 0 to 10 of x cannot be read"):
        open_source(str(path), None).read(["x"], 0, 10)


def test_truncated_file(path: Path) -> None:
    pq.write_table(pa.table({"x": np.arange(1000)}), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(FileReadError, match="is not a Parquet file, or damaged"):
        open_source(str(path), None)


def test_no_rows(path: Path) -> None:
    pq.write_table(pa.table({"x": pa.array([], pa.float32()), "l": pa.array([], pa.list_(pa.int8()))}), path)
    source = open_source(str(path), None)
    assert (source.entries, source.clusters) == (0, (0,))
    columns = source.read(["x", "l"], 0, 0)
    assert len(columns["x"]) == len(columns["l"]) == 0


def test_threads(path: Path) -> None:
    pq.write_table(pa.table({"x": np.arange(5000)}), path, row_group_size=100)
    source = open_source(str(path), None)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda start: source.read(["x"], start, start + 250)["x"], range(0, 5000, 250)))
    np.testing.assert_array_equal(np.concatenate([np.asarray(part) for part in parts]), np.arange(5000))


def test_fair_universe_file_is_what_pyarrow_reads(shared_data: Path) -> None:
    path = shared_data / "higgs" / "FAIR_Universe_HiggsML_data.parquet"
    source = open_source(str(path), None)
    theirs = pq.read_table(path)
    names = [name for name, branch in source.branches.items() if branch.kind == "flat"]
    columns = source.read(names, 100, 900)
    for name in names:
        np.testing.assert_array_equal(columns[name], theirs[name].to_numpy()[100:900])
    assert source.read_labels("detailed_labels", 0, 1000).tolist() == theirs["detailed_labels"].to_pylist()


def test_ranges_of_large_row_groups(path: Path) -> None:
    """Of a group of 150 thousand rows, in any order and by several threads, beside small groups."""
    rng = np.random.default_rng(4)
    counts = rng.poisson(1, 170_000)
    content = rng.normal(size=counts.sum())
    offsets = np.concatenate([[0], np.cumsum(counts)])
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(content))
    flat = rng.integers(0, 99, 170_000)
    table = pa.table({"flat": pa.array(flat, mask=flat == 7), "lists": lists, "text": np.where(flat > 50, "a", "b")})
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table.slice(0, 10_000), row_group_size=10_000)
        writer.write_table(table.slice(10_000, 150_000), row_group_size=150_000)
        writer.write_table(table.slice(160_000), row_group_size=10_000)
    source = open_source(str(path), None)
    assert source.clusters == (0, 10_000, 160_000, 170_000)
    assert source.sequential
    ranges = [(0, 170_000), (5_000, 20_000), (159_990, 160_010), (160_000, 170_000), (100_000, 100_000)]
    ranges += [(start, start + 7_000) for start in rng.permutation(np.arange(0, 163_000, 7_000)).tolist()]

    def check(ends: tuple[int, int]) -> None:
        start, stop = ends
        found = source.read(["lists", "flat"], start, stop)
        jagged = found["lists"]
        assert isinstance(jagged, Jagged)
        np.testing.assert_array_equal(jagged.counts, counts[start:stop])
        np.testing.assert_array_equal(jagged.values, content[offsets[start] : offsets[stop]])
        np.testing.assert_array_equal(found["flat"], np.where(flat == 7, np.nan, flat)[start:stop])
        assert source.read_labels("text", start, stop).tolist() == np.where(flat > 50, "a", "b")[start:stop].tolist()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(check, ranges))
    source.close()
