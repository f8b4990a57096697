"""A tree whose head is read without uproot looks and reads exactly as one that uproot opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers import root_file as root
from mlaas4hep.streaming.readers.root.directory import open_directory
from mlaas4hep.streaming.readers.root_file import list_trees
from mlaas4hep.streaming.readers.ttree.metadata import PlainTree, plain_tree
from tests.streaming.readers.ttree.baskets.test_reader import events
from tests.streaming.readers.uproot_reference import assert_same, open_tree, reference

DATA = Path(os.environ.get("MLAAS4HEP_TEST_DATA", Path(__file__).resolve().parents[5] / "shared" / "data")) / "root"
NO_TREES = {"bad_delphes.root", "uproot-histograms.root", "uproot-issue70.root"}
FILES = [str(path.relative_to(DATA)) for path in sorted(DATA.glob("*/*.root")) if path.name not in NO_TREES]
# Trees with a branch of text, Double32, objects, baskets within the tree, or written in another way.
LEFT_TO_UPROOT = {
    "nanoaod/nanoAOD_2015_CMS_Open_Data_ttbar.root": {"Events"},
    "odd/string-example.root": {"Refs"},
    "odd/uproot-Zmumu-zstd.root": {"events"},
    "odd/uproot-Zmumu.root": {"events"},
    "odd/uproot-double32-float16.root": {"tree"},
    "odd/uproot-empty.root": {"tree"},
    "odd/uproot-nesteddirs.root": {"one/two/tree", "one/tree", "three/tree"},
    "odd/uproot-stl_containers.root": {"tree"},
    "odd/uproot-vectorVectorDouble.root": {"t"},
}
NEEDS_DATA = pytest.mark.skipif(not FILES, reason=f"no test data at {DATA}; set MLAAS4HEP_TEST_DATA")


@contextmanager
def uproot_only() -> Iterator[None]:
    """No tree is read without uproot."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(root, "_plain", lambda *_: None)
        yield


def head(path: Path, tree: str = "Events") -> tuple[bytes, int]:
    """The decompressed bytes of a tree's key, and the length of the key."""
    with open_directory(str(path)) as directory:
        key = directory.key(tree)
        return key.get_uncompressed_chunk_cursor()[0].raw_data.tobytes(), key.fKeylen


def compare(path: Path, tree: str = "Events", *, plain: bool = True, most: int = 100) -> None:
    """Everything that is seen from outside, and the data of all branches, or of some in a very wide tree."""
    assert (plain_tree(*head(path, tree)) is not None) == plain
    ours = open_tree(path, tree)
    with uproot_only():
        theirs = open_tree(path, tree)
    assert list(ours.branches.items()) == list(theirs.branches.items())
    assert (ours.entries, ours.clusters, ours.identity) == (theirs.entries, theirs.clusters, theirs.identity)
    names = [branch.name for branch in ours.branches.values() if branch.kind != "unsupported"]
    assert ours.direct(names) == theirs.direct(names)
    assert (ours._loaded is None) == plain
    for name in names[:: 1 + len(names) // most]:
        column = ours.read([name], 0, ours.entries)[name]
        assert_same(column, theirs.read([name], 0, ours.entries)[name])
        if plain:
            assert_same(column, reference(theirs._leaves[name].tbranch, 0, ours.entries))
    assert (ours._loaded is None) == plain or not ours.entries
    assert ours.compression == theirs.compression
    assert [ours.compression_of(name) for name in names] == [theirs.compression_of(name) for name in names]
    ours.close()
    theirs.close()


@NEEDS_DATA
@pytest.mark.parametrize("name", FILES)
def test_real_files(name: str) -> None:
    for tree, kind, _ in list_trees(str(DATA / name)):
        if kind == "TTree":
            compare(DATA / name, tree, plain=tree not in LEFT_TO_UPROOT.get(name, ()))
    with uproot_only():
        theirs = list_trees(str(DATA / name))
    assert list_trees(str(DATA / name)) == theirs


@pytest.mark.parametrize("sizes", [[], [0], [50], [40, 1, 200, 35]])
@pytest.mark.parametrize("codec", [None, uproot.ZLIB(1), uproot.ZSTD(1)])
def test_all_types_and_sizes_of_arrays(tmp_path: Path, codec: Any, sizes: list[int]) -> None:
    path = tmp_path / "a.root"
    first = events(1, 0)
    types = {
        name: np.dtype((v.dtype, v.shape[1:])) if isinstance(v, np.ndarray) else str(ak.type(v).content)
        for name, v in first.items()
    }
    with uproot.recreate(path, compression=codec) as file:
        tree = file.mktree("Events", types)
        for seed, size in enumerate(sizes):
            tree.extend(events(size, seed))
    compare(path)


@pytest.mark.parametrize("number", [0, 1, 9, 25])
def test_any_number_of_baskets(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"x": "f8", "y": "var * int16"})
        for size in range(1, number + 1):
            tree.extend({"x": np.arange(size), "y": ak.Array([[1] * i for i in range(size)])})
    compare(path)


def test_odd_names(tmp_path: Path) -> None:
    """Dots, a bracket, names that become the same, more than 254 letters, and other letters than English ones."""
    path = tmp_path / "a.root"
    names = ["a.b", "a_b", "x.", "x", "é", "n" * 300, "counts", "p]q"]
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", dict.fromkeys(names, "i4"))
        tree.extend({name: np.arange(5, dtype=np.int32) + i for i, name in enumerate(names)})
    compare(path)
    assert list(open_tree(path).branches)[:4] == ["a.b", "a_b", "x.", "x"]


def test_counters_are_hidden_only_if_they_count_one_branch(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    lists = ak.Array([[1.0], [], [2.0, 3.0]])
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"alone": "var * float64", "Jet": "var * {pt: float64, eta: float64}"})
        tree.extend({"alone": lists, "Jet": ak.zip({"pt": lists, "eta": lists})})
    compare(path)
    hidden = {name for name, branch in open_tree(path).branches.items() if branch.hidden}
    assert hidden == {"nalone"}


def test_text_is_left_to_uproot(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f8", "s": "string"}).extend({"x": np.arange(2.0), "s": ["a", "b"]})
    compare(path, plain=False)


def test_uproot_does_not_read_a_plain_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f8", "j": "var * int32"}).extend({"x": [1, 2], "j": ak.Array([[1, 2], [3]])})
    monkeypatch.setattr(root, "_load", pytest.fail)
    source = open_tree(path)
    columns = source.read(["x", "j"], 0, 2)
    assert columns["x"].tolist() == [1, 2]
    assert isinstance(columns["j"], Jagged)
    assert columns["j"].tolist() == [[1, 2], [3]]
    assert list_trees(str(path)) == [("Events", "TTree", 2)]


def test_whatever_is_not_known_is_not_read(tmp_path: Path) -> None:
    """Another version, a missing byte count, something behind the branches, a byte too many or too few."""
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f8"}).extend({"x": [1, 2]})
    data, length = head(path)
    known = plain_tree(data, length)
    assert isinstance(known, PlainTree)
    assert [branch.name for branch in known.branches] == ["x"]
    branch = data.index(b"TBranch\0") + len(b"TBranch\0")
    for place, byte in [(5, 21), (5, 18), (0, 0), (branch, 0), (branch + 5, 11), (branch + 5, 14), (len(data) - 1, 1)]:
        changed = bytearray(data)
        changed[place] = byte
        assert plain_tree(bytes(changed), length) is None
    assert plain_tree(data + b"\0", length) is None
    assert plain_tree(data[:-1], length) is None
    for size in range(len(data)):
        assert plain_tree(data[:size], length) is None
