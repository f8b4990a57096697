"""Damage anywhere in the head of a tree has the outcome that reading with uproot alone has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers.root.directory import open_directory
from mlaas4hep.streaming.readers.ttree.metadata import plain_tree
from tests.streaming.readers.ttree.test_metadata import head, uproot_only
from tests.streaming.readers.uproot_reference import open_tree

CODECS = {"none": None, "zlib": uproot.ZLIB(1), "lz4": uproot.LZ4(1), "zstd": uproot.ZSTD(1)}
Change = tuple[int, int]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, bytes, int, int]]:
    """A file of each compression: its path, what is in it, and where the tree's key begins and how long it is."""
    folder = tmp_path_factory.mktemp("head")
    result = {}
    for name, codec in CODECS.items():
        path = folder / f"{name}.root"
        lists = ak.Array([[1, 2], [], [3]])
        with uproot.recreate(path, compression=codec) as file:
            tree = file.mktree("Events", {"x": "f4", "Jet": "var * {a: int32, b: uint8}", "m": "2 * int16"})
            tree.extend({"x": np.arange(3.0), "Jet": ak.zip({"a": lists, "b": lists}), "m": np.ones((3, 2))})
            tree.extend({"x": np.arange(3.0), "Jet": ak.zip({"a": lists, "b": lists}), "m": np.ones((3, 2))})
        with open_directory(str(path)) as directory:
            key = directory.key("Events")
            result[name] = path, path.read_bytes(), int(key.fSeekKey), int(key.fNbytes)
    return result


def outcome(path: Path) -> Any:
    """Everything that can be seen of the tree, or the words of the error."""
    try:
        source = open_tree(path)
    except MLaaS4HEPError as error:
        return str(error)
    seen: list[Any] = [list(source.branches.items()), source.entries, source.clusters, source.identity]
    for name in source.branches:
        try:
            column = source.read([name], 0, source.entries)[name]
        except (MLaaS4HEPError, ValueError) as error:  # a negative number of entries is not within itself
            seen.append(str(error))
        else:
            parts = (column.offsets, column.content) if isinstance(column, Jagged) else (column,)
            seen.append([(part.tobytes(), part.dtype.name) for part in parts])
    source.close()
    return seen


@pytest.mark.parametrize("codec", list(CODECS))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=2))
def test_damaged_bytes(files: dict[str, tuple[Path, bytes, int, int]], codec: str, changes: list[Change]) -> None:
    path, content, begin, size = files[codec]
    damaged = bytearray(content)
    for at, change in changes:
        damaged[begin + at % size] ^= change
    path.write_bytes(damaged)
    ours = outcome(path)
    with uproot_only():
        assert ours == outcome(path)


def test_a_damaged_file_spoils_no_other(files: dict[str, tuple[Path, bytes, int, int]], shared_data: Path) -> None:
    """uproot looks for the layout of an unknown version in the file, and would take it for all files."""
    path, content, _, _ = files["none"]
    place = content.index(b"TBranch\0@") + len(b"TBranch\0") + 5
    assert content[place] == 13
    damaged = bytearray(content)
    damaged[place] = 200
    path.write_bytes(damaged)
    outcome(path)
    source = open_tree(shared_data / "root" / "odd" / "uproot-stl_containers.root", "tree")
    assert len(source.branches) == 26


@settings(deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=4))
@example(changes=[(0, 0)])
def test_any_bytes_are_read_or_refused(files: dict[str, tuple[Path, bytes, int, int]], changes: list[Change]) -> None:
    path, content, _, _ = files["none"]
    path.write_bytes(content)
    data, length = head(path)
    damaged = bytearray(data)
    for at, byte in changes:
        damaged[at % len(data)] = byte
    found = plain_tree(bytes(damaged), length)
    assert found is None or len(found.branches) == len(open_tree(path).branches)
