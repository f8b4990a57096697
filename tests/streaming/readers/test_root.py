"""Opening ROOT files: trees, cycles, folders, and one clear line for every failure."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from mlaas4hep.errors import BranchNotFoundError, FileReadError, TreeNotFoundError
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.root.directory import damage
from mlaas4hep.streaming.readers.root_file import list_objects, list_trees


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Trees in folders, two cycles of one, and a histogram."""
    path = tmp_path / "sample.root"
    with uproot.recreate(path) as file:
        for size in (2, 5):
            file.mktree("Events", {"x": "f8"}).extend({"x": np.arange(float(size))})
        file.mktree("a/b/events", {"y": "i4"}).extend({"y": np.arange(3, dtype="i4")})
        file["h"] = np.histogram([1.0])
    return path


def test_list_trees_and_objects(sample: Path) -> None:
    assert list_trees(str(sample)) == [("Events", "TTree", 5), ("a/b/events", "TTree", 3)]
    assert list_objects(str(sample)) == [("Events", "TTree"), ("a/b/events", "TTree"), ("h", "TH1D")]


def test_newest_cycle_by_default(sample: Path) -> None:
    assert open_source(str(sample), "Events").entries == 5
    assert open_source(str(sample), "Events;1").entries == 2


@pytest.mark.parametrize("tree", ["a/b/events", "/a/b/events", "a/b/events/"])
def test_tree_in_a_folder(sample: Path, tree: str) -> None:
    source = open_source(str(sample), tree)
    assert (source.tree, source.path) == ("a/b/events", str(sample))
    np.testing.assert_array_equal(source.read(["y"], 1, 3)["y"], [1, 2])


def test_identity_is_the_files_uuid_and_the_tree(sample: Path) -> None:
    with uproot.open(sample) as file:
        assert open_source(str(sample), "Events").identity == f"{file.file.uuid.hex}:Events"
    copy = sample.with_name("copy.root")
    copy.write_bytes(sample.read_bytes())
    assert open_source(str(copy), "Events").identity == open_source(str(sample), "Events").identity


def test_path_with_a_colon_and_file_url(sample: Path) -> None:
    odd = sample.with_name("a:b [1].root")
    odd.write_bytes(sample.read_bytes())
    assert open_source(str(odd), "Events").entries == 5
    assert open_source(f"file://{sample}", "Events").entries == 5


def test_the_only_tree_is_found(tmp_path: Path, sample: Path) -> None:
    path = tmp_path / "one.root"
    with uproot.recreate(path) as file:
        file["deep/tree"] = {"x": np.arange(3.0)}
    assert open_source(str(path), None).tree == "deep/tree"
    with pytest.raises(TreeNotFoundError) as caught:
        open_source(str(sample), None)
    assert all(word in str(caught.value) for word in (f"{sample}: holds several trees", "Events", "a/b/events"))


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ("Event", "no tree 'Event'; trees in the file: Events, a/b/events"),
        ("a/b/event", "no tree 'a/b/event'; trees in the file: a/b/events, Events"),
        ("Events;7", "no tree 'Events;7'; trees in the file: Events, a/b/events"),
        ("h", "'h' is a TH1D, not a tree; trees in the file: Events, a/b/events"),
        ("a", "'a' is a folder, not a tree; trees in the file: Events, a/b/events"),
    ],
)
def test_no_such_tree(sample: Path, tree: str, words: str) -> None:
    with pytest.raises(TreeNotFoundError) as caught:
        open_source(str(sample), tree)
    first = words.rsplit("file: ", 1)[1].split(", ", maxsplit=1)[0]
    assert str(caught.value).startswith(f"{sample}: {words}; ")
    assert str(caught.value).endswith(f"{sample.name}:{first}")  # how to name it


def test_no_tree_at_all(tmp_path: Path) -> None:
    path = tmp_path / "histogram.root"
    with uproot.recreate(path) as file:
        file["h"] = np.histogram([1.0])
    with pytest.raises(TreeNotFoundError, match=r"there is no tree in the file, only h \(TH1D\)"):
        open_source(str(path), "Events")
    assert list_trees(str(path)) == []


def test_missing_branch_is_named_with_similar_ones(sample: Path) -> None:
    with uproot.recreate(sample) as file:
        file["Events"] = {"Muon_pt": np.arange(2.0), "Muon_eta": np.arange(2.0)}
    with pytest.raises(BranchNotFoundError) as caught:
        open_source(str(sample), "Events").read(["Muon_px"], 0, 1)
    assert str(caught.value) == f"{sample}:Events: no branch Muon_px; did you mean Muon_pt or Muon_eta?"
    with pytest.raises(BranchNotFoundError, match="there are Muon_eta, Muon_pt"):
        open_source(str(sample), "Events").read(["zzz"], 0, 1)


def test_range_outside_is_a_mistake_of_the_caller(sample: Path) -> None:
    with pytest.raises(ValueError, match="entries 0 to 6 are not within 0 to 5"):
        open_source(str(sample), "Events").read(["x"], 0, 6)


def error_of(path: Path) -> str:
    """What opening a file says."""
    with pytest.raises(FileReadError) as caught:
        open_source(str(path), "Events", format="root")
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def test_missing_file(tmp_path: Path) -> None:
    assert error_of(tmp_path / "a.root") == "no such file; check the path"
    assert error_of(tmp_path / "b" / "a.root") == f"no such file; the folder {tmp_path} is there"


def test_folder(tmp_path: Path) -> None:
    assert error_of(tmp_path) == "is a folder, not a file; name the files in it"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty (0 bytes); copy the file again"),
        (b"roo", "is truncated: only 3 bytes are there; copy the file again"),
        (b"hello world" * 30, "is not a ROOT file; it does not begin with the word root"),
        (b"<html>", "is not a ROOT file; it does not begin with the word root"),
    ],
)
def test_not_a_root_file(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.root"
    path.write_bytes(content)
    assert error_of(path) == words


@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_truncated_file(tmp_path: Path, pythia: Path, part: float) -> None:
    data = (pythia / "W_lnu.root").read_bytes()
    path = tmp_path / "a.root"
    path.write_bytes(data[: int(len(data) * part)])
    assert (
        error_of(path) == f"is truncated: {int(len(data) * part)} of {len(data)} bytes are there; copy the file again"
    )


def test_header_that_lies_about_the_size(tmp_path: Path, pythia: Path) -> None:
    """Cut off, and the header changed to agree: what is missing is then found while reading."""
    data = bytearray((pythia / "W_lnu.root").read_bytes()[:60000])
    struct.pack_into(">i", data, 12, len(data))
    path = tmp_path / "a.root"
    path.write_bytes(data)
    source = open_source(str(path), "Events")
    with pytest.raises(
        FileReadError, match=r"of branch .* cannot be read: the data ends too early: truncated or damaged"
    ):
        source.read(list(source.branches), 0, source.entries)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(sample: Path) -> None:
    sample.chmod(0)
    assert error_of(sample) == "permission denied; check the rights of the file and its folder"


@pytest.mark.parametrize("kind", ["TTree", "RNTuple"])
def test_damaged_data_name_the_branch_and_the_entries(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.root"
    values = np.random.default_rng(1).normal(size=20000).round(1)
    with uproot.recreate(path, compression=uproot.LZMA(1)) as file:
        if kind == "TTree":
            file.mktree("Events", {"good": "f8", "bad": "f8"}).extend({"good": values, "bad": values + 1})
        else:
            file["Events"] = {"good": values, "bad": values + 1}
    data = bytearray(path.read_bytes())
    with uproot.open(path) as file:
        tree = file["Events"]
        if kind == "TTree":
            place = int(tree["bad"].member("fBasketSeek")[0])
        else:
            column = next(record.idx for record in tree.column_records if record.field_id == tree["bad"].field_id)
            place = int(tree.page_link_list[0][column].pages[0].locator.offset)
    data[place + 1000 : place + 1100] = bytes(100)
    path.write_bytes(data)
    source = open_source(str(path), "Events")
    np.testing.assert_array_equal(source.read(["good"], 0, 20000)["good"], values)
    with pytest.raises(FileReadError) as caught:
        source.read(["good", "bad"], 0, 20000)
    assert str(caught.value).startswith(f"{path}:Events: entries 0 to 20000 of branch bad cannot be read: ")
    assert "\n" not in str(caught.value)


def test_long_foreign_texts_are_cut() -> None:
    text = str(damage("a.root", RuntimeError("x" * 1000 + "\nmore")))
    assert len(text) < 400
    assert text.endswith("... (RuntimeError); copy the file again")


def test_counts_of_awkward_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "empty.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f8", "j": "var * int32"})
        file["Tuple"] = {"x": np.zeros(0), "j": ak.Array([[1]])[:0]}
    for tree in ("Events", "Tuple"):
        source = open_source(str(path), tree)
        assert (source.entries, source.clusters) == (0, (0,))
        columns = source.read(["x", "j"], 0, 0)
        assert len(columns["x"]) == len(columns["j"]) == 0
        assert source.read([], 0, 0) == {}
