"""Which branches become features, and what identifies an event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors import BranchNotFoundError, ConfigError, UnsupportedBranchError
from mlaas4hep.streaming.scan.branches import DEFAULT_IDENTIFIER, BranchChoice, choose_branches, names_event
from tests.support.workflows import opened
from tests.support.written import TYPES, make_events, workflow_of, write_rntuple, write_ttree

ALL = ("met", "charge", "flag", "cells", "Jet_pt", "Jet_eta", "w", "target")
EVENTS = make_events(8, seed=3, signal=True)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("branches")
    some = make_events(6, seed=4, signal=False)
    return {
        "tree": write_ttree(folder / "tree.root", EVENTS, extra={"text": ["a"] * len(EVENTS)}),
        "rntuple": write_rntuple(folder / "rntuple.root", some),
        "reversed": write_ttree(folder / "reversed.root", some, names=list(TYPES)[::-1]),
        "no_lumi": write_ttree(folder / "no_lumi.root", some, names=[n for n in TYPES if n != "luminosityBlock"]),
        "no_met": write_ttree(folder / "no_met.root", some, names=[n for n in TYPES if n != "met"]),
        "flat_jets": write_ttree(
            folder / "flat_jets.root",
            [{**event, "Jet_pt": 1.0} for event in some],
            types={"Jet_pt": "f4"},
        ),
    }


def choose(paths: dict[str, Path], *names: str, **settings: Any) -> BranchChoice:
    workflow = workflow_of({name: (paths[name], name) for name in names}, **settings)
    with opened(workflow) as files:
        return choose_branches(files, workflow.event_settings)


def test_all_numbers_are_features_but_identifiers_and_counters(paths: dict[str, Path]) -> None:
    found = choose(paths, "tree")
    assert found.features == ALL
    assert found.identifier == DEFAULT_IDENTIFIER
    assert found.left_out == {"text": "holds char*, not numbers"}
    assert found.warnings == ()


def test_a_tree_and_an_rntuple_have_the_same_features(paths: dict[str, Path]) -> None:
    assert sorted(choose(paths, "rntuple").features) == sorted(ALL)
    both = choose(paths, "tree", "rntuple")
    assert sorted(both.features) == sorted(ALL)
    assert both.identifier == DEFAULT_IDENTIFIER


def test_the_order_of_features_does_not_depend_on_the_order_of_files(paths: dict[str, Path]) -> None:
    one, other = choose(paths, "tree", "reversed"), choose(paths, "reversed", "tree")
    assert one.features == other.features
    assert sorted(one.features) == sorted(ALL)


def test_weight_and_label_are_no_features(paths: dict[str, Path]) -> None:
    found = choose(paths, "tree", weights={"branch": "w"}, label_branch="target")
    assert found.features == tuple(name for name in ALL if name not in {"w", "target"})


def test_default_identifier_only_if_all_files_have_all_of_it(paths: dict[str, Path]) -> None:
    found = choose(paths, "tree", "no_lumi")
    assert found.identifier == ()
    assert not {"run", "event"} & set(found.features)
    assert found.features == ALL


def test_default_identifier_needs_one_number_an_event(tmp_path: Path) -> None:
    events = [{**event, "event": [1.0, 2.0]} for event in EVENTS]
    path = write_ttree(tmp_path / "x.root", events, types={"event": "var * float32"})
    assert choose({"x": path}, "x").identifier == ()


def test_identifier_by_wish(paths: dict[str, Path]) -> None:
    found = choose(paths, "tree", identifier=["event", "charge"])
    assert found.identifier == ("event", "charge")
    assert "charge" not in found.features
    assert choose(paths, "no_lumi", identifier=[]).identifier == ()
    with pytest.raises(BranchNotFoundError, match="luminosityBlock"):
        choose(paths, "tree", "no_lumi", identifier="run, luminosityBlock")


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["Jet_*"], [], {"Jet_pt", "Jet_eta"}),
        (["met", "c*"], ["cells"], {"met", "charge"}),
        ([], ["Jet_*", "?", "*e*"], {"flag"}),
        (["*"], ["w"], set(ALL) - {"w"}),
        (["nJet_pt", "met"], [], {"nJet_pt", "met"}),
        (["n*", "met"], [], {"met"}),
    ],
)
def test_patterns(paths: dict[str, Path], include: list[str], exclude: list[str], expected: set[str]) -> None:
    found = choose(paths, "tree", features={"include": include, "exclude": exclude})
    assert set(found.features) == expected


def test_excludes_that_match_nothing_are_reported(paths: dict[str, Path]) -> None:
    settings = {"exclude": ["met", "Muon_*", "x", "double"]}
    found = choose(paths, "tree", features=settings, variables={"double": "2*met"})
    assert found.warnings == ("features.exclude names branches that do not exist: Muon_*, x",)


def test_variables_are_features_unless_excluded(paths: dict[str, Path]) -> None:
    variables = {"ht": "sum(Jet_pt)", "scaled": "Jet_pt / 100", "helper": "met + 1"}
    found = choose(paths, "tree", variables=variables, features={"include": ["charge"], "exclude": ["helper"]})
    assert found.features == ("charge", "ht", "scaled")
    assert set(found.preprocessing.needed(found.features)) == {"charge", "Jet_pt"}


def test_a_variable_may_be_named_in_include(paths: dict[str, Path]) -> None:
    found = choose(paths, "tree", variables={"ht": "sum(Jet_pt)"}, features={"include": ["ht", "met"]})
    assert found.features == ("met", "ht")


def test_variables_as_weight_or_identifier_are_no_features(paths: dict[str, Path]) -> None:
    variables = {"scaled": "2*w", "key": "event + run", "ht": "sum(Jet_pt)"}
    settings: dict[str, Any] = {"weights": {"branch": "scaled"}, "identifier": ["key"], "features": {"include": "met"}}
    found = choose(paths, "tree", variables=variables, **settings)
    assert found.features == ("met", "ht")


def test_an_unknown_name_in_include(paths: dict[str, Path]) -> None:
    with pytest.raises(BranchNotFoundError, match="Jet_pz") as caught:
        choose(paths, "tree", features={"include": ["Jet_pz"]})
    assert "Jet_pt" in str(caught.value)


def test_text_asked_for_by_name(paths: dict[str, Path]) -> None:
    with pytest.raises(UnsupportedBranchError, match=r"tree\.root: branch text holds char\*"):
        choose(paths, "tree", features={"include": ["met", "text"]})


def test_text_matched_by_a_pattern_is_left_out_with_the_reason(paths: dict[str, Path]) -> None:
    found = choose(paths, "tree", features={"include": ["t*"]})
    assert found.features == ("target",)
    assert found.left_out == {"text": "holds char*, not numbers"}


def test_a_branch_that_one_file_lacks(paths: dict[str, Path]) -> None:
    with pytest.raises(BranchNotFoundError, match=r"no_met\.root: no branch met"):
        choose(paths, "tree", "no_met")
    assert "met" not in choose(paths, "tree", "no_met", features={"exclude": ["met"]}).features


def test_a_branch_that_only_a_cut_needs(paths: dict[str, Path]) -> None:
    with pytest.raises(BranchNotFoundError, match=r"no_met\.root: no branch met"):
        choose(paths, "tree", "no_met", features={"exclude": ["met"]}, selection="met > 10")


def test_a_weight_that_a_file_lacks(paths: dict[str, Path]) -> None:
    with pytest.raises(BranchNotFoundError, match=r"no branch wgt; .*it is named as the weight$"):
        choose(paths, "tree", weights={"branch": "wgt"})


def test_flat_here_and_jagged_there(paths: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"branch Jet_pt is (flat|jagged) here and (flat|jagged) in another file"):
        choose(paths, "tree", "flat_jets")


def test_no_feature_is_left(paths: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"no branch is left as a feature; .*; left out: text holds char\*"):
        choose(paths, "tree", features={"exclude": list(ALL)})


@pytest.mark.parametrize(
    ("settings", "name", "role"),
    [
        ({"weights": {"branch": "w"}}, "w", "the weight"),
        ({"label_branch": "target"}, "target", "the label"),
        ({"identifier": ["charge"]}, "charge", "an identifier"),
        ({}, "run", "an identifier"),
    ],
)
def test_a_feature_by_name_that_has_another_role(
    paths: dict[str, Path], settings: dict[str, Any], name: str, role: str
) -> None:
    found = choose(paths, "tree", features={"include": ["met", name]}, **settings)
    if name == "target":
        assert found.features == ("met",)
        assert found.left_out[name] == f"is {role}"
        return
    assert set(found.features) == {"met", name}
    assert found.left_out == {}
    assert found.warnings == (f"a feature because features.include names it: {name} (it is {role})",)


EVENT_NAMES = [
    "eventNumber",
    "runNumber",
    "mcChannelNumber",
    "EventNumber",
    "RunNumber",
    "lumi",
    "lumiBlock",
    "lumi_block",
    "luminosityBlock",
    "EventInfoAuxDyn.eventNumber",
    "EventInfo_runNumber",
    "evt",
    "evt_num",
    "EventId",
    "LBN",
    "dsid",
    "bcid",
    "run",
    "Event",
    "RUN",
    "mcEventNumber",
    "event_number",
    "run_number",
    "lumiSection",
    "orbitNumber",
    "Unnamed: 0",
    "__index_level_0__",
]
OTHER_NAMES = [
    "eventWeight",
    "mcEventWeight",
    "evt_weight",
    "nEvents",
    "Jet_eventShape",
    "luminosity_weight",
    "runTime",
    "event_shape",
    "met_event",
    "channel_pt",
    "truncated",
    "lumiScale",
    "ls_pt",
    "idx",
    "pt",
    "nJet",
    "eventPlane",
    "lbnl",
    "mc_weight",
    "GpsTime",
    "timestamp",
]


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_names_that_tell_which_event_it_is(name: str) -> None:
    assert all(names_event(form) for form in (name, name.lower(), name.upper(), f"Tree/{name}", f"reco.{name}"))


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_names_that_only_look_like_those_of_an_event(name: str) -> None:
    assert not names_event(name)


def test_numbers_of_events_are_not_features(tmp_path: Path) -> None:
    """In ATLAS and LHCb files the event number alone separates signal and background."""
    other = {"eventNumber": np.int64, "mcChannelNumber": np.int32, "lumi": np.int32}
    events = [{**event, **dict.fromkeys(other, number)} for number, event in enumerate(EVENTS)]
    path = write_ttree(tmp_path / "atlas.root", events, types=other)
    workflow = workflow_of({"tree": (path, "x")})
    with opened(workflow) as files:
        found = choose_branches(files, workflow.event_settings)
        assert found.features == ALL
        assert {name: found.left_out[name] for name in other} == dict.fromkeys(other, "is an identifier")
        (note,) = found.notes
        assert note.startswith("identifiers, which are not features: eventNumber, mcChannelNumber, lumi (")
        named = workflow_of({"tree": (path, "x")}, features={"include": ["met", "lumi"]})
        assert set(choose_branches(files, named.event_settings).features) == {"met", "lumi"}


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_index_that_pandas_writes_into_csv_is_not_a_feature(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{name},x\n0,1.5\n1,2.5\n")
    found = choose({"a": path}, "a")
    assert found.features == ("x",)
    assert found.left_out == {"Unnamed: 0": "is an identifier"}
