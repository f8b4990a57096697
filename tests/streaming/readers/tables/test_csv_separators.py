"""What stands between the columns of a CSV file is found, whatever it is, and said."""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.tables.csv_header import SEPARATORS, read_header

NAMES = st.lists(
    st.text(alphabet="abcdefgh_", min_size=1, max_size=5).map(lambda text: f"x{text}"),
    min_size=2,
    max_size=6,
    unique=True,
)


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("separator", list(SEPARATORS))
def test_columns_between_any_separator(tmp_path: Path, separator: str) -> None:
    rows = [f"{i}{separator}{i / 4}{separator}s" for i in range(100)]
    source = open_source(write(tmp_path / "a.csv", "\n".join([separator.join(["n", "x", "label"]), *rows, ""])), None)
    columns = source.read(["n", "x"], 10, 100)
    np.testing.assert_array_equal(columns["n"], np.arange(10, 100))
    np.testing.assert_array_equal(columns["x"], np.arange(10, 100) / 4)
    assert source.branches["n"].dtype == "int64"
    assert list(source.read_labels("label", 0, 2)) == ["s", "s"]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_separator_is_said_unless_it_is_a_comma(tmp_path: Path, separator: str) -> None:
    source = open_source(write(tmp_path / "a.csv", f"a{separator}b\n1{separator}2\n"), None)
    assert source.remark is not None
    assert SEPARATORS[separator] in source.remark
    assert open_source(write(tmp_path / "b.csv", "a,b\n1,2\n"), None).remark is None


def test_blanks_around_names_and_numbers_do_not_make_text(tmp_path: Path) -> None:
    text = "run, pt , eta,label\n1, 25.5, -1 , s\n2,  , 3, b\n3, NaN, -999, s\n"
    source = open_source(write(tmp_path / "a.csv", text), None)
    assert [(name, branch.dtype) for name, branch in source.branches.items()] == [
        ("run", "int64"),
        ("pt", "float64"),
        ("eta", "int64"),
        ("label", "string"),
    ]
    columns = source.read(["pt", "eta"], 0, 3)
    np.testing.assert_array_equal(columns["pt"], [25.5, np.nan, np.nan])
    np.testing.assert_array_equal(columns["eta"], [-1, 3, -999])


def test_a_comment_sign_before_the_names(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a.csv", "# x y z\n1 2 3\n4 5 6\n"), None)
    assert list(source.branches) == ["x", "y", "z"]


def test_a_file_without_names_is_told_from_one_with_names(tmp_path: Path) -> None:
    with pytest.raises(FileReadError, match=r"no header line.*numbers"):
        open_source(write(tmp_path / "a.csv", "1,2\n3,4\n"), None)


def test_a_ragged_row_names_the_separator(tmp_path: Path) -> None:
    rows = "".join(f"{i};{i}\n" for i in range(30))
    with pytest.raises(FileReadError, match=r"row 32 has 3 values.*semicolons"):
        open_source(write(tmp_path / "a.csv", f"a;b\n{rows}1;2;3\n"), None)


@given(names=NAMES, separator=st.sampled_from([",", ";", "\t", "|"]), rows=st.integers(1, 8), data=st.data())
def test_the_separator_is_found_in_any_table(names: list[str], separator: str, rows: int, data: st.DataObject) -> None:
    cells = st.sampled_from(["1", "-2.5", "1e5", "nan", "text", "7"])
    lines = [separator.join(data.draw(cells) for _ in names) for _ in range(rows)]
    assert read_header([separator.join(names), *lines], "a.csv") == read_header(iter([separator.join(names)]), "a.csv")


@given(
    values=st.lists(
        st.sampled_from(["1", " 2", "-3", "4.5", " 1e300", "18446744073709551615", "x", "", " ", "nan", "true", "inf"]),
        min_size=1,
        max_size=6,
    )
)
def test_types_are_those_of_pyarrow(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    text = "c,d\n" + "".join(f"{value},1\n" for value in values)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    source = open_source(write(path, text), None)
    expected = arrow_csv.read_csv(
        io.BytesIO(text.encode()),
        convert_options=arrow_csv.ConvertOptions(null_values=["", " ", "nan"], strings_can_be_null=True),
    )["c"]
    found = source.branches["c"]
    if str(expected.type) in {"int64", "double"} and "18446744073709551615" not in values:
        np.testing.assert_array_equal(
            np.asarray(source.read(["c"], 0, len(values))["c"], np.float64),
            np.array([np.nan if v is None else v for v in expected.to_pylist()], np.float64),
        )
    elif str(expected.type) == "string":
        assert found.dtype == "string"


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a.csv", "x;n;label\n1,5; 2;a,b\n-0,25;3;c\n7;4;d\n"), None)
    columns = source.read(["x", "n"], 0, 3)
    np.testing.assert_array_equal(columns["x"], [1.5, -0.25, 7.0])
    np.testing.assert_array_equal(columns["n"], [2, 3, 4])
    assert source.remark is not None
    assert "decimal commas" in source.remark
    assert list(source.read_labels("label", 0, 1)) == ["a,b"]


def test_commas_in_text_are_not_decimal(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a.csv", "x;label\n1.5;1,5\n2.5;x\n"), None)
    np.testing.assert_array_equal(source.read(["x"], 0, 2)["x"], [1.5, 2.5])
    assert list(source.read_labels("label", 0, 2)) == ["1,5", "x"]


GIVEN = ("n", "x", "label")


@pytest.mark.parametrize("separator", list(SEPARATORS))
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
@pytest.mark.parametrize("stated", [True, False])
def test_without_a_header_line(tmp_path: Path, separator: str, suffix: str, stated: bool) -> None:
    path = tmp_path / f"a.{suffix}"
    text = "".join(f"{i}{separator}{i / 4}{separator}s{i % 2}\n" for i in range(3000)).encode()
    path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    source = open_source(str(path), None, names=GIVEN, separator=separator if stated else None)
    assert (source.entries, tuple(source.branches)) == (3000, GIVEN)
    found = source.read(["n", "x"], 0, 3000)
    np.testing.assert_array_equal(found["n"], np.arange(3000))
    np.testing.assert_array_equal(found["x"], np.arange(3000) / 4)
    assert source.read_labels("label", 0, 3).tolist() == ["s0", "s1", "s0"]
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.read(["n"], 0, 3)["n"], [0, 1, 2])


@pytest.mark.parametrize(
    ("text", "names", "error"),
    [
        ("1,2\n3,4\n", ("a",), "has 2 columns (with commas (,) between columns), but 1 names are given"),
        ("a,b\n3,4\n", ("a", "b"), "its first line has the names of the columns, which are given, too"),
        ("1,2\n3\n", ("a", "b"), "is not valid CSV: row 2 has 1 value, 2 are named, with commas"),
        ("1,2\n", (), "has no header line: the first one holds numbers"),
    ],
)
def test_names_that_do_not_fit(tmp_path: Path, text: str, names: tuple[str, ...], error: str) -> None:
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(FileReadError) as caught:
        open_source(path, None, names=names)
    assert error in str(caught.value)


def test_a_separator_is_taken_as_it_is_given(tmp_path: Path) -> None:
    """Found out, it would be the comma, which makes two columns."""
    path = write(tmp_path / "a.csv", "a,b;c,d\n1,2;3,4\n")
    assert list(open_source(path, None, separator=";").branches) == ["a,b", "c,d"]
