"""The one table of formats: what every command and configuration takes is what a reader reads."""

from __future__ import annotations

import bz2
import gzip
import importlib
import json
import lzma
import pickle
from collections.abc import Callable
from pathlib import Path

import fastavro
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from mlaas4hep import formats
from mlaas4hep.cli.options import Format
from mlaas4hep.config import Reading
from mlaas4hep.config.legacy.lists import read_files
from mlaas4hep.errors import FileReadError
from mlaas4hep.formats import COMPRESSIONS, FORMATS, format_of_name, stem_of
from mlaas4hep.streaming.inspection import inspect
from mlaas4hep.streaming.readers import open_source

X = np.arange(40) / 4

ENDINGS = [(entry.name, ending) for entry in FORMATS.values() for ending in entry.endings()]

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def write(path: Path, name: str, ending: str) -> None:
    if name == "root":
        with uproot.recreate(path) as file:
            file.mktree("Events", {"x": "f8"}).extend({"x": X})
        return
    if name == "hdf5":
        with h5py.File(path, "w") as file:
            file["Events/x"] = X
        return
    if name == "parquet":
        pq.write_table(pa.table({"x": X}), path)
        return
    plain = path.with_name("plain")
    if name == "avro":
        schema = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "double"}]}
        with plain.open("wb") as file:
            fastavro.writer(file, schema, [{"x": float(x)} for x in X])
    elif name == "json":
        plain.write_text("\n".join(json.dumps({"x": float(x)}) for x in X))
    else:
        sign = "\t" if ending.startswith(".tsv") else ","
        plain.write_text("\n".join([f"x{sign}n", *(f"{x}{sign}1" for x in X), ""]))
    data = plain.read_bytes()
    suffix = next((suffix for suffix in COMPRESSIONS if ending.endswith(suffix)), None)
    path.write_bytes(COMPRESS[suffix](data) if suffix else data)
    plain.unlink()


@pytest.mark.parametrize(("name", "ending"), ENDINGS)
def test_every_ending_is_read_by_every_door(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"Events.v2{ending.upper() if ending == '.csv' else ending}"
    write(path, name, ending)
    source = open_source(str(path), None)
    np.testing.assert_array_equal(source.read(["x"], 5, 40)["x"], X[5:])
    assert inspect(str(path)).format == name
    assert read_files(str(path)) == [(str(path), str(path))]
    assert read_files(f"{path},{path}")[1] == (str(path), str(path))
    assert stem_of(path.name) == "Events.v2"


def test_the_table_is_what_users_may_write() -> None:
    assert tuple(FORMATS) == tuple(entry.value for entry in Format)
    for name in FORMATS:
        assert Reading(format=name).format == name
    enums = [part["enum"] for part in Reading.model_json_schema()["properties"]["format"]["anyOf"] if "enum" in part]
    assert enums == [list(FORMATS)]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_reader(name: str) -> None:
    module, _, opener = FORMATS[name].reader.partition(":")
    assert callable(getattr(importlib.import_module(module), opener))


@pytest.mark.parametrize("name", [name for name, entry in FORMATS.items() if entry.magic])
@pytest.mark.parametrize("ending", ["", ".dat", ".2024"])
def test_a_file_without_suffix_is_recognised_by_its_content(tmp_path: Path, name: str, ending: str) -> None:
    written, path = tmp_path / f"a{FORMATS[name].suffixes[0]}", tmp_path / f"events{ending}"
    write(written, name, FORMATS[name].suffixes[0])
    written.rename(path)
    np.testing.assert_array_equal(open_source(str(path), None).read(["x"], 5, 40)["x"], X[5:])
    assert inspect(str(path)).format == name


def test_text_without_suffix_is_not_recognised(tmp_path: Path) -> None:
    path = tmp_path / "events.dat"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(FileReadError, match=r"unknown suffix '.dat'"):
        open_source(str(path), None)


@pytest.mark.parametrize("name", ["files.txt", "root", ".gz", "a.root.gz", "a.parquet.zst", "notes", "csv"])
def test_other_names_tell_no_format(name: str) -> None:
    assert format_of_name(name) is None


def test_one_more_format_is_a_file_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read, also as labels and in another process, and inspected, like the others."""
    toy = formats.Format("numbers", (".numbers",), compressed=True, reader="tests.streaming.readers.toy:NumbersSource")
    monkeypatch.setitem(FORMATS, toy.name, toy)
    path = tmp_path / "a.numbers"
    path.write_text("".join(f"{value}\n" for value in X))
    source = open_source(str(path), None)
    np.testing.assert_array_equal(source.read(["x"], 5, 40)["x"], X[5:])
    np.testing.assert_array_equal(source.read_labels("x", 5, 40), X[5:])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).read(["x"], 5, 40)["x"], X[5:])
    assert inspect(str(path)).format == "numbers"
    assert read_files(str(path)) == [(str(path), str(path))]
    assert (stem_of("a.numbers.gz"), Reading(format="numbers").format) == ("a", "numbers")
    with pytest.raises(FileReadError, match=r"known are root, .*, numbers"):
        open_source(str(path), None, format="letters")
