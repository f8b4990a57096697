"""What only TTrees have: split objects, Double32, C++ containers, clusters by baskets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from mlaas4hep.errors import UnsupportedBranchError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers import root_file as root
from mlaas4hep.streaming.readers.ttree import layout as ttree_layout
from mlaas4hep.streaming.readers.ttree.metadata import PlainTree


@pytest.fixture
def odd(shared_data: Path) -> Path:
    """Folder of odd files."""
    return shared_data / "root" / "odd"


@pytest.mark.parametrize(
    ("name", "typename"),
    [
        ("vector_vector_int32", r"std::vector<std::vector<int32_t>>"),
        ("map_string_string", r"std::map<std::string, std::string>"),
        ("tstring", "TString"),
        ("vector_string", r"std::vector<std::string>"),
    ],
)
def test_unsupported_branches_are_listed_and_refused(odd: Path, name: str, typename: str) -> None:
    path = odd / "uproot-stl_containers.root"
    source = open_source(str(path), "tree")
    assert (source.branches[name].kind, source.branches[name].dtype) == ("unsupported", typename)
    with pytest.raises(UnsupportedBranchError) as caught:
        source.read(["vector_int32", name], 0, 1)
    assert str(caught.value) == (
        f"{path}:tree: branch {name} holds {typename}, which cannot be a feature; "
        "only numbers, booleans and lists of them can; leave it out"
    )


def test_vector_of_numbers(odd: Path) -> None:
    column = open_source(str(odd / "uproot-stl_containers.root"), "tree").read(["vector_int32"], 1, 4)["vector_int32"]
    assert isinstance(column, Jagged)
    assert column.tolist() == [[1, 2], [1, 2, 3], [1, 2, 3, 4]]


def test_double32_and_float16(odd: Path) -> None:
    path = odd / "uproot-double32-float16.root"
    source = open_source(str(path), "tree")
    assert source.branches["double32_3"].dtype == "float64"
    assert source.branches["float16_3"].dtype == "float32"
    assert (source.branches["array_30"].kind, source.branches["array_30"].width) == ("jagged", 3)
    columns = source.read(["double32_5", "float16_10", "array_30"], 2, 11)
    theirs = uproot.open(path)["tree"].arrays(["double32_5", "float16_10", "array_30"], library="np")
    np.testing.assert_array_equal(columns["double32_5"], theirs["double32_5"][2:11])
    np.testing.assert_array_equal(columns["float16_10"], theirs["float16_10"][2:11])
    array = columns["array_30"]
    assert isinstance(array, Jagged)
    np.testing.assert_array_equal(array.values.reshape(-1, 3), theirs["array_30"][2:11])


def test_split_objects_have_short_names(odd: Path) -> None:
    path = odd / "uproot-nesteddirs.root"
    source = open_source(str(path), "three/tree")
    assert {"I16", "P3_Px", "ArrayI16", "SliceI16", "StlVecF64"} <= set(source.branches)
    assert not any("/" in name or "." in name or "[" in name for name in source.branches)
    columns = source.read(["P3_Px", "ArrayI16", "StlVecF64"], 10, 20)
    tree = uproot.open(path)["three/tree"]
    np.testing.assert_array_equal(columns["P3_Px"], tree["evt/P3/P3.Px"].array(library="np")[10:20])
    assert columns["ArrayI16"].tolist() == tree["evt/ArrayI16[10]"].array(library="np")[10:20].tolist()
    assert columns["StlVecF64"].tolist() == tree["evt/StlVecF64"].array(library="ak")[10:20].tolist()


def test_a_count_for_several_branches_is_an_ordinary_branch(odd: Path) -> None:
    branches = open_source(str(odd / "uproot-HZZ-lz4.root"), "events").branches
    assert (branches["NJet"].kind, branches["NJet"].hidden) == ("flat", False)


@pytest.mark.parametrize("plain", [True, False])
def test_clusters_of_the_largest_branch_where_baskets_do_not_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, plain: bool
) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"x": "f8", "y": "i1"})
        for _ in range(4):
            tree.extend({"x": np.zeros(1000), "y": np.zeros(1000, np.int8)})
    if not plain:
        monkeypatch.setattr(root, "_plain", lambda *_: None)
    assert open_source(str(path), "Events").clusters == (0, 1000, 2000, 3000, 4000)
    monkeypatch.setattr(uproot.behaviors.TBranch.HasBranches, "common_entry_offsets", lambda _: [0, 4000])
    monkeypatch.setattr(PlainTree, "common_offsets", lambda _: [0, 4000])
    assert open_source(str(path), "Events").clusters == (0, 4000)
    monkeypatch.setattr(ttree_layout, "_CLUSTER_BYTES", 10000)
    assert open_source(str(path), "Events").clusters == (0, 1000, 2000, 3000, 4000)


def test_compression_of_a_branch(odd: Path) -> None:
    source = open_source(str(odd / "uproot-HZZ-lzma.root"), "events")
    assert source.compression == "LZMA(4)"
    assert open_source(str(odd / "uproot-HZZ-uncompressed.root"), "events").compression is None
