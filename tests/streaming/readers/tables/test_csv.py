"""CSV: types decided on the whole file, ragged rows, and one pass for ranges in order."""

from __future__ import annotations

import csv as standard
import gzip
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.files import open_bytes
from mlaas4hep.streaming.readers.tables import csv


def source_of(path: Path, text: str) -> Any:
    """Write a file and open it."""
    path.write_text(text, encoding="utf-8")
    return open_source(str(path), None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "a.csv"


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        (["1", "2"], "flat", "int64"),
        (["1", "2.5"], "flat", "float64"),
        (["1", "nan"], "flat", "float64"),
        (["1", "inf"], "flat", "float64"),
        (["1", "-1e3"], "flat", "float64"),
        (["1", ""], "flat", "float64"),
        (["1", "18446744073709551615"], "flat", "uint64"),
        (["true", "False"], "flat", "bool"),
        (["true", ""], "flat", "float64"),
        (["true", "1"], "unsupported", "string"),
        (["1", "x"], "unsupported", "string"),
        (["NA", "null"], "flat", "float64"),
    ],
)
def test_type_of_a_column(path: Path, values: list[str], kind: str, dtype: str) -> None:
    source = source_of(path, "\n".join(["a,b", *(f"{value},0" for value in values), ""]))
    assert (source.branches["a"].kind, source.branches["a"].dtype) == (kind, dtype)


def test_a_column_that_becomes_float_in_a_later_block(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "_BLOCK", 1000)
    values = [*range(1000), 0.5, "", 7]
    source = source_of(path, "x,y\n" + "".join(f"{value},1\n" for value in values))
    assert len(source.clusters) > 4
    np.testing.assert_array_equal(source.read(["x"], 0, 1003)["x"], [*range(1000), 0.5, np.nan, 7])
    np.testing.assert_array_equal(source.read(["x", "y"], 999, 1001)["x"], [999, 0.5])


def test_ranges_in_order_are_one_pass(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "_BLOCK", 1000)
    source = source_of(path, "x\n" + "".join(f"{value}\n" for value in range(3000)))
    opened: list[str] = []

    def counted(name: str) -> IO[bytes]:
        opened.append(name)
        return open_bytes(name)

    monkeypatch.setattr(csv, "open_bytes", counted)
    parts = [source.read(["x"], start, start + 100)["x"] for start in range(0, 3000, 100)]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(3000))
    assert len(opened) == 1


def test_missing_values_are_nan(path: Path) -> None:
    columns = source_of(path, "a,b,c\n1,,true\n,2.5,\n").read(["a", "b", "c"], 0, 2)
    np.testing.assert_array_equal(columns["a"], [1, np.nan])
    np.testing.assert_array_equal(columns["b"], [np.nan, 2.5])
    np.testing.assert_array_equal(columns["c"], [1, np.nan])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3\n", "is not valid CSV: row 3 has 1 value, the header 2, with commas (,) between columns"),
        ("a,b\n1,2,3\n", "is not valid CSV: row 2 has 3 values, the header 2, with commas (,) between columns"),
        ("a,a\n1,2\n", "two columns are named 'a' (with commas (,) between columns); rename one in the header"),
        ("\n1,2\n", "has no header line; the first line must name the columns, or `reading.names` does"),
    ],
)
def test_errors(path: Path, text: str, words: str) -> None:
    with pytest.raises(FileReadError) as caught:
        source_of(path, text)
    assert str(caught.value) == f"{path}: {words}"


def test_ragged_row_far_inside(path: Path) -> None:
    with pytest.raises(FileReadError, match="row 30003 has 1 value, the header 2"):
        source_of(path, "a,b\n" + "1,2\n" * 30001 + "1\n")


def test_missing_label_is_named(path: Path) -> None:
    source = source_of(path, "x,process\n1,s\n2,\n")
    with pytest.raises(FileReadError, match="the label in column process is missing in entry 1"):
        source.read_labels("process", 1, 2)


@pytest.mark.parametrize("text", ["a,b\n", "a,b", "\ufeffa,b\n"])
def test_header_alone(path: Path, text: str) -> None:
    source = source_of(path, text)
    assert (source.entries, list(source.branches)) == (0, ["a", "b"])
    assert len(source.read(["b"], 0, 0)["b"]) == 0


def test_quotes_and_line_ends(path: Path) -> None:
    path.write_bytes(b'"a b",c\r\n"1",x\r\n"2","y, z"\r\n')
    source = open_source(str(path), None)
    np.testing.assert_array_equal(source.read(["a b"], 0, 2)["a b"], [1, 2])
    assert source.read_labels("c", 0, 2).tolist() == ["x", "y, z"]


def test_atlas_file_is_what_the_standard_library_reads(shared_data: Path) -> None:
    path = shared_data / "higgs" / "atlas-higgs-challenge-2014-v2.first12889.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = list(standard.DictReader(file))
    source = open_source(str(path), None)
    names = [name for name, branch in source.branches.items() if branch.kind == "flat"]
    assert set(rows[0]) - set(names) == {"Label", "KaggleSet"}
    columns = source.read(names, 5000, 9000)
    for name in names:
        whole = not any("." in row[name] for row in rows)
        theirs = np.array([row[name] for row in rows[5000:9000]]).astype(np.int64 if whole else np.float64)
        column = columns[name]
        assert isinstance(column, np.ndarray)
        np.testing.assert_array_equal(column, theirs)
        assert column.dtype == theirs.dtype
    assert source.read_labels("Label", 0, source.entries).tolist() == [row["Label"] for row in rows]


def test_text_among_numbers_is_told_with_its_entry(tmp_path: Path) -> None:
    """In the first block and in a later one; a column of names is no damage."""
    late = 400_000
    lines = [f"{i}.25,{i},name{i % 3}" for i in range(late + 10)]
    lines[3] = "n.d.,3,name"
    lines[late] = f"1.5,{'x' * 60},name"
    path = tmp_path / "events.csv"
    path.write_text("pt,charge,sample\n" + "\n".join(lines) + "\n")
    source = open_source(str(path), None)
    assert source.branches["pt"].problem == "cannot be read: entry 3 holds 'n.d.', not a number"
    shown = "x" * 40 + "..."
    assert source.branches["charge"].problem == f"cannot be read: entry {late} holds {shown!r}, not a number"
    assert source.branches["sample"].problem == "holds string, not numbers"
