"""What `inspect` says about files of all kinds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from mlaas4hep.errors import FileReadError, TreeNotFoundError
from mlaas4hep.streaming.inspection import BranchInfo, inspect, render
from mlaas4hep.streaming.readers import Branch


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Two trees, one in a folder, and a histogram."""
    path = tmp_path / "sample.root"
    with uproot.recreate(path, compression=uproot.ZSTD(5)) as file:
        tree = file.mktree(
            "folder/Events", {"x": "f4", "fixed": np.dtype(("f8", (3,))), "Jet": 'var * {"pt": float32}'}
        )
        for _ in range(2):
            jets = ak.zip({"pt": ak.Array([[1.0, 2.0], []])})
            tree.extend({"x": np.zeros(2, "f4"), "fixed": np.zeros((2, 3)), "Jet": ak.values_astype(jets, np.float32)})
        file["Names"] = {"name": ak.Array(["a", "b"]), "list": ak.Array([[1], [2, 3]])}
        file["h"] = np.histogram([1.0, 2.0])
    return path


def test_all_trees(sample: Path) -> None:
    found = inspect(str(sample))
    assert (found.format, found.size) == ("root", sample.stat().st_size)
    assert [(tree.name, tree.class_name, tree.entries, tree.clusters) for tree in found.trees] == [
        ("folder/Events", "TTree", 4, 2),
        ("Names", "ROOT::RNTuple", 2, 1),
    ]
    assert found.objects == (("h", "TH1D"),)
    assert found.trees[0].branches == (
        BranchInfo("x", "flat", "float32", None, hidden=False, why=None),
        BranchInfo("fixed", "jagged", "float64", 3, hidden=False, why=None),
        BranchInfo("nJet", "flat", "int32", None, hidden=False, why=None),
        BranchInfo("Jet_pt", "jagged", "float32", None, hidden=False, why=None),
    )
    names = {branch.name: branch for branch in found.trees[1].branches}
    assert names["name"] == BranchInfo(
        "name", "unsupported", "std::string", None, hidden=False, why="text cannot be a feature"
    )
    assert names["nlist"].hidden


def test_one_tree(sample: Path) -> None:
    found = inspect(str(sample), "Names")
    assert [bool(tree.branches) for tree in found.trees] == [False, True]
    with pytest.raises(TreeNotFoundError, match="trees in the file: folder/Events, Names"):
        inspect(str(sample), "events")


def test_render(sample: Path) -> None:
    lines = render(inspect(str(sample))).splitlines()
    assert lines[0] == f"{sample}: root, {sample.stat().st_size:,} bytes"
    assert any(line.startswith("folder/Events (TTree): 4 entries in 2 clusters") for line in lines)
    assert "  4 branches: 2 flat, 2 jagged" in lines
    assert "  fixed   jagged       float64[3]" in lines
    assert "  name   unsupported  std::string  (text cannot be a feature)" in lines
    assert "  nlist  flat         int32  (counter, hidden)" in lines
    assert lines[-2:] == ["other objects", "  h  TH1D"]


def test_to_json(sample: Path) -> None:
    content = json.loads(json.dumps(inspect(str(sample)).to_json()))
    assert content["trees"][0]["branches"][1]["width"] == 3
    assert content["objects"] == [{"name": "h", "class_name": "TH1D"}]


def test_file_without_any_tree(shared_data: Path) -> None:
    found = inspect(str(shared_data / "root" / "odd" / "uproot-histograms.root"))
    assert found.trees == ()
    assert [name for name, _ in found.objects] == ["one", "two", "three"]
    assert "no tree in the file" in render(found)


def test_tree_with_no_entries(shared_data: Path) -> None:
    text = render(inspect(str(shared_data / "root" / "odd" / "uproot-empty.root")))
    assert "tree (TTree): 0 entries" in text


@pytest.mark.parametrize(
    ("branch", "why"),
    [
        ("vector_vector_int32", "nested lists cannot be features"),
        ("map_int32_int16", "maps and sets cannot be features"),
        ("string", "text cannot be a feature"),
    ],
)
def test_why_a_branch_is_no_feature(shared_data: Path, branch: str, why: str) -> None:
    found = inspect(str(shared_data / "root" / "odd" / "uproot-stl_containers.root"))
    assert {info.name: info.why for info in found.trees[0].branches}[branch] == why


def test_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,name\n1,a\n", encoding="utf-8")
    found = inspect(str(path))
    assert [(tree.name, tree.class_name, tree.entries) for tree in found.trees] == [("", "table", 1)]
    assert "1 entries in 1 cluster, not compressed" in render(found)


def test_compressed_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"x\n1\n2\n"))
    found = inspect(str(path))
    assert found.trees[0].compression == "gz"
    assert "2 entries in 1 cluster, gz\n  1 branch: 1 flat" in render(found)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileReadError, match="no such file"):
        inspect(str(tmp_path / "a.root"))


def test_a_damaged_tree_beside_others(tmp_path: Path) -> None:
    """It is named with the reason; a file of damaged trees alone is an error."""
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        for name in ("bad", "good"):
            file.mktree(name, {"x": "f4", "y": "i4"}).extend({"x": np.ones(5), "y": np.ones(5)})
    with uproot.open(path) as file:
        key = file.key("bad")
        begin, size = int(key.fSeekKey) + int(key.fKeylen), int(key.fNbytes) - int(key.fKeylen)
    content = bytearray(path.read_bytes())
    content[begin + 12 : begin + size] = bytes(size - 12)
    path.write_bytes(content)
    bad, good = inspect(str(path)).trees
    assert (good.entries, good.why, len(good.branches)) == (5, None, 2)
    assert bad.why is not None
    assert "tree bad cannot be read" in bad.why
    assert "tree bad cannot be read" in render(inspect(str(path)))
    assert len(inspect(str(path), "good").trees) == 2
    with pytest.raises(FileReadError, match="tree bad cannot be read"):
        inspect(str(path), "bad")


@pytest.mark.parametrize(
    ("dtype", "why"),
    [
        ("std::vector<float>[]", "nested lists"),
        ("std::vector<std::vector<float>>", "nested lists"),
        ("float[][3]", "nested lists"),
        ("std::string[]", "text"),
        ("std::map<int32_t, float>", "maps and sets"),
        ("TRef", "objects"),
    ],
)
def test_reason_by_type(dtype: str, why: str) -> None:
    assert (Branch("x", "unsupported", dtype).why or "").startswith(f"{why} cannot be")
    assert Branch("x", "flat", "float32").why is None
