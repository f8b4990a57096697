"""JSON and Avro: types, missing values, lists, and errors with the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import FileReadError, UnsupportedBranchError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.tables import json as json_reader

RECORDS: list[dict[str, Any]] = [
    {"a": 1, "b": 2, "list": [1, 2], "name": "x", "none": None, "mixed": 1, "nested": [[1]], "object": {"a": 1}},
    {"a": 2, "b": 2.5, "list": [], "name": "y", "none": 4, "mixed": [1], "nested": [], "object": {}},
    {"a": 3, "b": None, "list": [0.5], "name": "z", "extra": True, "mixed": 2, "nested": [], "object": {}},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "a.json"


@pytest.mark.parametrize(
    "text", ["\n".join(map(json.dumps, RECORDS)), json.dumps(RECORDS), json.dumps(RECORDS, indent=2)]
)
def test_json(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    source = open_source(str(path), None)
    assert source.entries == 3
    assert {name: (branch.kind, branch.dtype) for name, branch in source.branches.items()} == {
        "a": ("flat", "int64"),
        "b": ("flat", "float64"),
        "list": ("jagged", "float64"),
        "name": ("unsupported", "string"),
        "none": ("flat", "float64"),
        "mixed": ("unsupported", "int64 or lists of int64"),
        "nested": ("unsupported", "lists of nested lists"),
        "object": ("unsupported", "objects"),
        "extra": ("flat", "float64"),
    }
    columns = source.read(["a", "b", "list", "none", "extra"], 0, 3)
    np.testing.assert_array_equal(columns["a"], [1, 2, 3])
    np.testing.assert_array_equal(columns["b"], [2, 2.5, np.nan])
    assert isinstance(columns["list"], Jagged)
    assert columns["list"].tolist() == [[1.0, 2.0], [], [0.5]]
    np.testing.assert_array_equal(columns["none"], [np.nan, 4, np.nan])
    np.testing.assert_array_equal(columns["extra"], [np.nan, np.nan, 1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1}\n\n{"a": }\n', "line 3: Expecting value"),
        ('{"a": 1}\n[1]\n', "line 2: expecting an object with the names and values of one event"),
        ('{"a": 1}\n{"a": 1', "line 2: Expecting ',' delimiter"),
        ("nonsense", "line 1: Expecting value"),
        ('[{"a": 1},\n {"a" 1}]', "line 2: Expecting ':' delimiter"),
        ('[{"a": 1}\n {"a": 1}]', "line 2: expecting , or ] and not {"),
        ('[{"a": 1}, 2]', "line 1: expecting an object with the names and values of one event"),
        ('[{"a": 1},\n{"a": 1}', "line 2: the list does not end: the file is truncated"),
        ('[{"a": 1},\n{"a": "x', "line 2: the list does not end: the file is truncated"),
        ('[{"a": 1}]\n{}', "line 2: something follows the list"),
    ],
)
def test_json_errors_name_the_line(path: Path, text: str, words: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileReadError) as caught:
        open_source(str(path), None)
    assert str(caught.value) == f"{path}: is not valid JSON: {words}"


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries({"x": st.integers(-99, 99), "l": st.lists(st.floats(0, 1), max_size=4)}), min_size=1
    ),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
)
def test_json_list_in_pieces_of_any_size(
    tmp_path: Path, records: list[dict[str, Any]], size: int, indent: int | None
) -> None:
    path = tmp_path / "pieces.json"
    path.write_text(json.dumps(records, indent=indent), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "_BUFFER", size)
        source = open_source(str(path), None)
        columns = source.read(["x", "l"], 0, len(records))
    np.testing.assert_array_equal(columns["x"], [record["x"] for record in records])
    assert columns["l"].tolist() == [record["l"] for record in records]


def test_missing_and_wrong_labels(path: Path) -> None:
    path.write_text('{"l": "s", "m": [1, "a"]}\n{"x": 1, "m": 1}\n', encoding="utf-8")
    source = open_source(str(path), None)
    with pytest.raises(FileReadError, match="the label in column l is missing in entry 1"):
        source.read_labels("l", 0, 2)
    with pytest.raises(
        UnsupportedBranchError, match="column m holds int64 or lists of int64 or lists of string, which"
    ):
        source.read_labels("m", 0, 2)


SCHEMA = {
    "type": "record",
    "name": "event",
    "fields": [
        {"name": "i", "type": "int"},
        {"name": "f", "type": ["null", "float"]},
        {"name": "n", "type": ["null", "long"]},
        {"name": "b", "type": "boolean"},
        {"name": "list", "type": {"type": "array", "items": "double"}},
        {"name": "holes", "type": {"type": "array", "items": ["null", "int"]}},
        {"name": "text", "type": "string"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "nested", "type": {"type": "array", "items": {"type": "array", "items": "int"}}},
        {"name": "choice", "type": ["int", "string"]},
    ],
}


def avro_record(index: int) -> dict[str, Any]:
    """One record of the schema."""
    return {
        "i": index,
        "f": None if index % 2 else index / 2,
        "n": None if index % 3 else index,
        "b": index % 2 == 0,
        "list": [float(index)] * (index % 4),
        "holes": [None, index],
        "text": str(index),
        "time": 0,
        "nested": [[1]],
        "choice": 1,
    }


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_avro(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, [avro_record(index) for index in range(2000)], codec=codec)
    source = open_source(str(path), None)
    assert source.compression == (None if codec == "null" else codec)
    assert len(source.clusters) > 2
    assert {name: (branch.kind, branch.dtype) for name, branch in source.branches.items()} == {
        "i": ("flat", "int32"),
        "f": ("flat", "float32"),
        "n": ("flat", "float64"),
        "b": ("flat", "bool"),
        "list": ("jagged", "float64"),
        "holes": ("jagged", "float64"),
        "text": ("unsupported", "string"),
        "time": ("unsupported", "timestamp-millis"),
        "nested": ("unsupported", "lists of array"),
        "choice": ("unsupported", "int or string"),
    }
    columns = source.read(["i", "f", "n", "b", "list", "holes"], 1500, 1504)
    np.testing.assert_array_equal(columns["i"], np.array([1500, 1501, 1502, 1503], np.int32))
    np.testing.assert_array_equal(columns["f"], np.array([750, np.nan, 751, np.nan], np.float32))
    np.testing.assert_array_equal(columns["n"], [1500, np.nan, np.nan, 1503])
    np.testing.assert_array_equal(columns["b"], [True, False, True, False])
    assert columns["list"].tolist() == [avro_record(index)["list"] for index in range(1500, 1504)]
    assert isinstance(columns["holes"], Jagged)
    np.testing.assert_array_equal(columns["holes"].values[:2], [np.nan, 1500])


def test_truncated_avro(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, [avro_record(index) for index in range(2000)])
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(FileReadError, match="is not an Avro file, or damaged: "):
        open_source(str(path), None)


def test_avro_that_holds_no_records(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "array", "items": "int"}, [[1]])
    with pytest.raises(FileReadError, match="its schema is not a record of named columns"):
        open_source(str(path), None)
