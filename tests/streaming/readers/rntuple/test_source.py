"""What only RNTuples have: records, optional numbers, projected fields."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from mlaas4hep.errors import UnsupportedBranchError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers import Source, open_source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Fields that TTrees written by uproot cannot hold."""
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file["Events"] = {
            "MET": ak.zip({"pt": np.array([1.0, 2.0, 3.0]), "phi": np.array([4, 5, 6])}),
            "maybe": ak.Array([1.5, None, 3.5]),
            "count": ak.Array([None, 2, None]),
            "some": ak.Array([[1.0, None], [], [None, 4.0]]),
            "nested": ak.Array([[[1, 2]], [], [[3], [4]]]),
            "text": ak.Array(["a", "b", "c"]),
            "words": ak.Array([["a"], [], ["b"]]),
            "Jet": ak.zip({"pt": ak.Array([[1.0, 2.0], [], [3.0]]), "tag": ak.Array([["a", "b"], [], ["c"]])}),
        }
    return open_source(str(path), "Events")


def test_records_and_collections(source: Source) -> None:
    columns = source.read(["MET_pt", "MET_phi", "nJet", "Jet_pt"], 0, 3)
    np.testing.assert_array_equal(columns["MET_pt"], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(columns["MET_phi"], [4, 5, 6])
    np.testing.assert_array_equal(columns["nJet"], [2, 0, 1])
    assert columns["Jet_pt"].tolist() == [[1.0, 2.0], [], [3.0]]


def test_missing_numbers_are_nan(source: Source) -> None:
    columns = source.read(["maybe", "count", "some"], 0, 3)
    np.testing.assert_array_equal(columns["maybe"], [1.5, np.nan, 3.5])
    np.testing.assert_array_equal(columns["count"], [np.nan, 2.0, np.nan])
    assert source.branches["count"].dtype == "float64"
    assert isinstance(columns["some"], Jagged)
    np.testing.assert_array_equal(columns["some"].counts, [2, 0, 2])
    np.testing.assert_array_equal(columns["some"].values, [1.0, np.nan, np.nan, 4.0])
    np.testing.assert_array_equal(source.read(["maybe"], 1, 3)["maybe"], [np.nan, 3.5])


@pytest.mark.parametrize(
    ("name", "words"),
    [("nested", "nested lists of int64"), ("text", "std::string"), ("words", "string"), ("Jet_tag", "string")],
)
def test_unsupported_fields(source: Source, name: str, words: str) -> None:
    assert source.branches[name].kind == "unsupported"
    assert words in source.branches[name].dtype
    with pytest.raises(UnsupportedBranchError, match=f"branch {name} holds"):
        source.read([name], 0, 1)


def test_projected_fields_stand_for_their_storage(shared_data: Path) -> None:
    name = "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root"
    source = open_source(str(shared_data / "root" / "odd" / name), "Events")
    assert list(source.branches) == ["Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge", "nMuon"]
    assert not any(branch.hidden for branch in source.branches.values())
    theirs = uproot.open(shared_data / "root" / "odd" / name)["Events"]
    columns = source.read(["nMuon", "Muon_pt"], 100, 900)
    np.testing.assert_array_equal(columns["nMuon"], ak.num(theirs["Muon_pt"].array())[100:900])
    assert columns["Muon_pt"].tolist() == theirs["Muon_pt"].array()[100:900].tolist()


@pytest.mark.parametrize("order", [["MET", "MET_pt"], ["MET_pt", "MET"]])
def test_a_record_and_a_field_of_the_same_name(tmp_path: Path, order: list[str]) -> None:
    """The field that is called so has the name, wherever it stands; both are there."""
    fields = {"MET": ak.zip({"pt": np.array([1.0, 2.0])}), "MET_pt": np.array([3.0, 4.0])}
    with uproot.recreate(tmp_path / "a.root") as file:
        file["Events"] = {name: fields[name] for name in order}
    source = open_source(str(tmp_path / "a.root"), "Events")
    columns = source.read(["MET_pt", "MET.pt"], 0, 2)
    np.testing.assert_array_equal(columns["MET_pt"], [3.0, 4.0])
    np.testing.assert_array_equal(columns["MET.pt"], [1.0, 2.0])
    source.close()


@pytest.mark.parametrize("order", [["a", "a_Jet"], ["a_Jet", "a"]])
def test_a_count_that_two_collections_would_have(tmp_path: Path, order: list[str]) -> None:
    fields = {
        "a": ak.zip({"Jet": ak.zip({"pt": ak.Array([[1.0], []])})}, depth_limit=1),
        "a_Jet": ak.zip({"pt": ak.Array([[3.0], [4.0]])}),
    }
    with uproot.recreate(tmp_path / "a.root") as file:
        file["Events"] = {name: fields[name] for name in order}
    source = open_source(str(tmp_path / "a.root"), "Events")
    assert "na_Jet" not in source.branches
    assert {tuple(map(tuple, source.read([name], 0, 2)[name].tolist())) for name in source.branches} == {
        ((1.0,), ()),
        ((3.0,), (4.0,)),
    }
    source.close()
