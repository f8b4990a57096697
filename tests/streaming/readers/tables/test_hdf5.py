"""HDF5 as users of weaver and of ATLAS have it, against h5py's own reading of the same data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import FileReadError, TreeNotFoundError, UnsupportedBranchError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.inspection import inspect, render
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.room import Room

NUMBERS = ["f2", "f4", "f8", ">f4", ">i8", "i1", "u1", "i2", "u4", "i8", "u8", "?"]
SHAPES: list[tuple[int, ...]] = [(), (3,), (2, 2), (0,)]
READ = {"f2": "float32", ">f4": "float32", ">i8": "int64", "?": "bool"}


def numbers(dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    return rng.integers(0, 100, shape).astype(dtype) if dtype != "?" else rng.integers(0, 2, shape).astype(bool)


def lists(column: Column) -> list[Any]:
    return column.tolist()


@settings(deadline=None, max_examples=40)
@given(
    columns=st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from([*SHAPES, None])), min_size=1, max_size=5),
    entries=st.integers(0, 40),
    chunk=st.sampled_from([None, 1, 7, 100]),
    compound=st.booleans(),
    seed=st.integers(0, 100),
    data=st.data(),
)
def test_every_kind_of_column_reads_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    columns: list[tuple[str, tuple[int, ...] | None]],
    entries: int,
    chunk: int | None,
    compound: bool,
    seed: int,
    data: st.DataObject,
) -> None:
    """Flat, fixed-size and varying-length (None) columns, in a group or in a compound data set, over any range."""
    if compound:
        columns = [(dtype, shape) for dtype, shape in columns if shape != (0,)] or [("f4", ())]
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("hdf5") / "a.h5"
    truth: dict[str, list[Any]] = {}
    fields, values = [], {}
    for number, (dtype, shape) in enumerate(columns):
        name = f"c{number}"
        if shape is None:
            rows = np.empty(entries, dtype=object)
            for entry in range(entries):
                rows[entry] = numbers(dtype, (int(rng.integers(0, 5)),), rng)
            fields.append((name, h5py.vlen_dtype(np.dtype(dtype))))
            truth[name] = [row.tolist() for row in rows]
        else:
            rows = numbers(dtype, (entries, *shape), rng)
            fields.append((name, np.dtype((dtype, shape))))
            truth[name] = rows.reshape(entries, int(np.prod(shape))).tolist() if shape else rows.tolist()
        values[name] = rows
    chunks = (chunk,) if chunk and chunk <= entries else None
    with h5py.File(path, "w") as file:
        if compound:
            table = np.empty(entries, dtype=fields)
            for name, rows in values.items():
                table[name] = rows
            file.create_dataset("deep/events", data=table, chunks=chunks)
        else:
            for (name, rows), (_, dtype) in zip(values.items(), fields, strict=True):
                plain = dtype.base if dtype.subdtype else dtype
                per_entry = rows.shape[1:]
                some = (*chunks, *per_entry) if chunks and 0 not in per_entry else None
                file.create_dataset(f"deep/events/{name}", data=rows, dtype=plain, chunks=some)
    source = open_source(str(path), data.draw(st.sampled_from([None, "Events", "deep/events", "/deep/events"])))
    assert (source.entries, source.tree, sorted(source.branches)) == (entries, "deep/events", sorted(truth))
    start, stop = sorted(data.draw(st.tuples(st.integers(0, entries), st.integers(0, entries))))
    for name, column in source.read(list(truth), start, stop).items():
        dtype, shape = columns[int(name[1:])]
        assert isinstance(column, Jagged) == (shape != ())
        assert lists(column) == truth[name][start:stop]
        content = column.content if isinstance(column, Jagged) else column
        assert content.dtype == np.dtype(READ.get(dtype, dtype)) == np.dtype(source.branches[name].dtype)
    source.close()


@pytest.fixture
def jets(tmp_path: Path) -> Path:
    """As ATLAS' dumpers write: a compound data set of jets and one of 40 tracks a jet."""
    path = tmp_path / "jets.h5"
    rng = np.random.default_rng(1)
    table = np.zeros(50, dtype=[("pt", "f4"), ("flavour", "i4"), ("name", "S4")])
    table["pt"], table["flavour"] = rng.normal(size=50), np.arange(50) % 3
    table["name"] = np.array([b"b", b"light", b"\xc3\xa9"])[np.arange(50) % 3]
    tracks = np.zeros((50, 40), dtype=[("d0", "f2"), ("valid", "?")])
    tracks["d0"] = rng.integers(0, 9, (50, 40))
    with h5py.File(path, "w") as file:
        file.create_dataset("jets", data=table, chunks=(20,), compression="gzip")
        file.create_dataset("tracks", data=tracks)
    return path


def test_several_tables(jets: Path) -> None:
    with pytest.raises(TreeNotFoundError, match=r"holds several tables; tables in the file: jets, tracks; .*h5:jets$"):
        open_source(str(jets), None)
    with pytest.raises(TreeNotFoundError, match=r"no group or data set 'Events'; tables in the file: jets, tracks"):
        open_source(str(jets), "Events")
    text = render(inspect(str(jets)))
    assert "jets (compound data set): 50 entries in 3 clusters, gzip(4)" in text
    assert [tree.name for tree in inspect(f"{jets}:tracks").trees if tree.branches] == ["tracks"]


def test_tables_of_a_group_side_by_side(jets: Path) -> None:
    """The group that holds them gives the fields of both, as ROOT's records have it."""
    source = open_source(str(jets), "/")
    assert list(source.branches) == ["jets_pt", "jets_flavour", "jets_name", "tracks_d0", "tracks_valid"]
    found = source.read(["tracks_d0", "jets_pt"], 3, 9)
    with h5py.File(jets) as file:
        np.testing.assert_array_equal(found["jets_pt"], file["jets"]["pt"][3:9])
        assert lists(found["tracks_d0"]) == file["tracks"]["d0"][3:9].tolist()
    assert source.branches["tracks_d0"].width == 40
    assert source.identity != open_source(str(jets), "jets").identity


def test_labels_from_text_and_numbers(jets: Path) -> None:
    source = open_source(str(jets), "jets")
    assert source.read_labels("name", 1, 4).tolist() == ["ligh", "é", "b"]
    assert source.read_labels("flavour", 1, 4).tolist() == [1, 2, 0]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("Events")
        for name in "xy":
            group[name] = np.arange(5.0)
        group["short"] = np.arange(3)
        group["z"] = np.zeros(5, dtype="c8")
        group["text"] = ["a"] * 5
        group["version"] = 3
        group["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/x")
        group["nowhere"] = h5py.SoftLink("/none")
        file["uneven/a"], file["uneven/b"] = np.arange(5), np.arange(6)
        file["one"] = np.arange(5)
    source = open_source(str(path), "Events")
    assert {name: branch.why for name, branch in source.branches.items()} == {
        "x": None,
        "y": None,
        "z": "objects cannot be features",
        "short": "cannot be read: it has 3 entries, most columns have 5",
        "text": "text cannot be a feature",
    }
    with pytest.raises(UnsupportedBranchError, match="branch short cannot be read: it has 3 entries, most columns"):
        source.read(["short"], 0, 1)
    with pytest.raises(FileReadError, match="data sets have different numbers of entries: a 5, b 6"):
        open_source(str(path), "uneven")
    with pytest.raises(TreeNotFoundError, match="'one' is a data set of one column, not a table"):
        open_source(str(path), "one")


def test_the_only_table_is_read_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(5.0)
    source = open_source(str(path), "Events")
    assert (source.tree, source.remark) == ("/", "no tree Events: the only table, /, is read")
    assert open_source(str(path), None).remark is None
    with pytest.raises(TreeNotFoundError, match="no group or data set 'nominal'; tables in the file: /"):
        open_source(str(path), "nominal")


def test_truncated(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.random.default_rng(0).normal(size=100_000), compression="gzip")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FileReadError, match="is not an HDF5 file, or damaged: "):
        open_source(str(path), None)


def test_damaged_chunk(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        item = file.create_dataset("x", data=np.random.default_rng(0).normal(size=1000), compression="gzip")
        where = item.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[where + 20 : where + 40] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(FileReadError, match="rows 0 to 10 of /x cannot be read: "):
        open_source(str(path), None).read(["x"], 0, 10)


@pytest.mark.parametrize("room", [0, 1 << 30])
def test_large_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """They are kept while there is room for them, said, and the room is given back."""
    path = tmp_path / "a.h5"
    values = np.random.default_rng(2).normal(size=(2, 300_000))
    with h5py.File(path, "w") as file:
        for name, column in zip("xy", values, strict=True):
            file.create_dataset(name, data=column, chunks=(200_000,), compression="gzip")
    place = Room(room)
    monkeypatch.setattr("mlaas4hep.streaming.readers.tables.hdf5_datasets.ROOM", place)
    source = open_source(str(path), None)
    assert source.remark == "its chunks have 200,000 entries: such files are slow to read, or need much memory"
    for start in range(0, 300_000, 70_000):
        found = source.read(["x", "y"], start, min(start + 70_000, 300_000))
        np.testing.assert_array_equal(found["x"], values[0, start : start + 70_000])
        np.testing.assert_array_equal(found["y"], values[1, start : start + 70_000])
    assert place.taken == (2 * 200_000 * 8 if room else 0)
    source.close()
    assert place.taken == 0
