"""What is the same for all formats of tables: the factory, identity, ranges, labels, compression."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import BranchNotFoundError, FileReadError, UnsupportedBranchError
from mlaas4hep.streaming.readers import Source, open_source

ROWS = 10_000
FORMATS = ("csv", "json", "list.json", "parquet", "avro", "h5")


def table() -> dict[str, Any]:
    """Columns of all kinds."""
    rng = np.random.default_rng(5)
    return {
        "number": rng.integers(-9, 9, ROWS),
        "value": rng.normal(size=ROWS),
        "flag": rng.random(ROWS) < 0.5,
        "process": np.array(["s", "b"])[rng.integers(0, 2, ROWS)],
    }


def write(path: Path, kind: str, data: dict[str, Any]) -> None:
    """Write a table."""
    rows = [
        dict(zip(data, values, strict=True)) for values in zip(*(data[name].tolist() for name in data), strict=True)
    ]
    if kind == "csv":
        lines = [",".join(str(value) for value in row.values()) for row in rows]
        path.write_text("\n".join([",".join(data), *lines, ""]), encoding="utf-8")
    elif kind == "json":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    elif kind == "list.json":
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            for name, values in data.items():
                file.create_dataset(
                    name, data=values.tolist() if values.dtype.kind == "U" else values, chunks=(min(3000, len(values)),)
                )
    elif kind == "parquet":
        pq.write_table(pa.table(data), path, row_group_size=3000)
    else:
        types = {"number": "long", "value": "double", "flag": "boolean", "process": "string"}
        schema = {"type": "record", "name": "event", "fields": [{"name": n, "type": types[n]} for n in data]}
        with path.open("wb") as file:
            fastavro.writer(file, schema, rows)


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    """What was written."""
    return table()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, truth: dict[str, Any]) -> dict[str, Source]:
    """The same table in all formats."""
    folder = tmp_path_factory.mktemp("tables")
    opened = {}
    for kind in FORMATS:
        write(folder / f"a.{kind}", kind, truth)
        opened[kind] = open_source(str(folder / f"a.{kind}"), None)
    return opened


@pytest.mark.parametrize("kind", FORMATS)
def test_branches(sources: dict[str, Source], kind: str) -> None:
    source = sources[kind]
    assert (source.entries, source.tree) == (ROWS, "/" if kind == "h5" else None)
    found = [(branch.name, branch.kind, branch.dtype) for branch in source.branches.values()]
    wanted = [
        ("number", "flat", "int64"),
        ("value", "flat", "float64"),
        ("flag", "flat", "bool"),
        ("process", "unsupported", "string"),
    ]
    assert found == (sorted(wanted) if kind == "h5" else wanted)  # HDF5 keeps no order unless it is told to
    assert source.clusters[0] == 0
    assert source.clusters[-1] == ROWS
    assert source.sequential == (kind not in ("parquet", "h5"))
    if kind in ("parquet", "h5"):
        assert source.clusters == (0, 3000, 6000, 9000, ROWS)


@pytest.mark.parametrize("kind", FORMATS)
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, ROWS), st.integers(0, ROWS)), min_size=1, max_size=4))
def test_any_ranges_in_any_order(
    sources: dict[str, Source], truth: dict[str, Any], kind: str, ranges: list[tuple[int, int]]
) -> None:
    for ends in ranges:
        start, stop = sorted(ends)
        columns = sources[kind].read(["value", "number", "flag"], start, stop)
        for name, column in columns.items():
            assert isinstance(column, np.ndarray)
            np.testing.assert_array_equal(column, truth[name][start:stop])
            assert column.dtype == truth[name].dtype


@pytest.mark.parametrize("kind", FORMATS)
def test_labels_may_be_text(sources: dict[str, Source], truth: dict[str, Any], kind: str) -> None:
    labels = sources[kind].read_labels("process", 4090, 4110)
    assert labels.dtype.kind == "U"
    np.testing.assert_array_equal(labels, truth["process"][4090:4110])
    np.testing.assert_array_equal(sources[kind].read_labels("number", 7, 9), truth["number"][7:9])


@pytest.mark.parametrize("kind", FORMATS)
def test_text_is_no_feature(sources: dict[str, Source], kind: str) -> None:
    with pytest.raises(UnsupportedBranchError, match="branch process holds string, which cannot be a feature"):
        sources[kind].read(["process"], 0, 1)
    with pytest.raises(BranchNotFoundError, match="no branch numbr; did you mean number"):
        sources[kind].read(["numbr"], 0, 1)


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.open), ("bz2", bz2.open), ("xz", lzma.open)])
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_compressed_text(tmp_path: Path, kind: str, suffix: str, compress: Callable[..., Any]) -> None:
    plain = tmp_path / f"a.{kind}"
    data = {"x": np.arange(50), "process": np.array(["a"] * 50)}
    write(plain, kind, data)
    path = tmp_path / f"a.{kind}.{suffix}"
    with compress(path, "wb") as file:
        file.write(plain.read_bytes())
    source = open_source(str(path), None)
    np.testing.assert_array_equal(source.read(["x"], 10, 20)["x"], np.arange(10, 20))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileReadError, match=f"is not valid {kind.upper()}: "):
        open_source(str(path), None)


@pytest.mark.parametrize("kind", FORMATS)
def test_identity_is_that_of_the_content(tmp_path: Path, sources: dict[str, Source], kind: str) -> None:
    original = Path(sources[kind].path)
    copy = tmp_path / f"copy.{kind}"
    copy.write_bytes(original.read_bytes())
    assert open_source(str(copy), None).identity == sources[kind].identity
    assert len({source.identity for source in sources.values()}) == len(FORMATS)


def test_unknown_suffix_and_format(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(FileReadError) as caught:
        open_source(str(path), None)
    hint = "give the format: root, csv, json, parquet, avro, hdf5"
    assert str(caught.value) == f"{path}: unknown suffix '.txt'; {hint}"
    with pytest.raises(FileReadError, match="the format cannot be told from a name without suffix"):
        open_source(str(tmp_path / "a"), None)
    with pytest.raises(FileReadError, match="unknown format 'pdf'; known are root, csv, json, parquet, avro, hdf5"):
        open_source(str(path), None, format="pdf")


def test_format_wins_over_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x\n1\n", encoding="utf-8")
    assert open_source(str(path), None, format="csv").entries == 1


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "avro", "h5"])
def test_missing_and_empty_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    with pytest.raises(FileReadError, match="no such file; check the path"):
        open_source(str(path), None)
    path.touch()
    with pytest.raises(FileReadError, match=r"is empty \(0 bytes\)"):
        open_source(str(path), None)


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "avro", "h5"])
def test_something_else_under_the_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(b"root\xff\xfe\x00\x01 something else\n\xff,\n")
    with pytest.raises(FileReadError) as caught:
        open_source(str(path), None)
    assert str(caught.value).startswith(f"{path}: is no")
    assert "\n" not in str(caught.value)
