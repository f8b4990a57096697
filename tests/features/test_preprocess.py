"""Variables and cuts, checked when built and computed on columns."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.config import Cut, Variable
from mlaas4hep.errors import BranchNotFoundError, BundleError, ConfigError, ExpressionError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.expression import LengthMismatchError
from mlaas4hep.features.preprocess import Preprocessing

KINDS = {"MET_pt": "flat", "nJets": "flat", "Jet_pt": "jagged", "Jet_eta": "jagged", "Muon_pt": "jagged"}
COLUMNS: dict[str, Column] = {
    "MET_pt": np.array([10.0, 20.0, np.nan], np.float32),
    "nJets": np.array([2, 0, 1], np.int32),
    "Jet_pt": Jagged.from_lists([[50.0, 30.0], [], [20.0]], np.float32),
    "Jet_eta": Jagged.from_lists([[1.0, 3.0], [], [-1.0]], np.float32),
    "Muon_pt": Jagged.from_lists([[1.0], [2.0], [3.0]], np.float32),
}


def variable(name: str, expression: str, kind: Any = None) -> Variable:
    return Variable(name=name, expression=expression, kind=kind)


def cut(expression: str, name: str | None = None) -> Cut:
    return Cut(name=name or expression, expression=expression)


def example() -> Preprocessing:
    return Preprocessing.build(
        [
            variable("central", "Jet_pt[abs(Jet_eta) < 2.4]", "jagged"),
            variable("ht", "sum(central)", "flat"),
            variable("met2", "MET_pt**2"),
            variable("unused", "ht + met2"),
        ],
        [cut("ht > 10", "some jets"), cut("any(Muon_pt > 1.5)"), cut("nJets")],
        KINDS,
    )


def test_what_is_needed() -> None:
    steps = example()
    assert steps.cut_names == ("some jets", "any(Muon_pt > 1.5)", "nJets")
    assert steps.variable_kinds == {"central": "jagged", "ht": "flat", "met2": "flat", "unused": "flat"}
    assert set(steps.names) == {"Jet_pt", "Jet_eta", "MET_pt", "Muon_pt", "nJets"}
    assert set(steps.needed([])) == {"Muon_pt", "nJets", "Jet_pt", "Jet_eta"}
    assert set(steps.needed(["met2", "Other"])) == {"Other", "Muon_pt", "nJets", "Jet_pt", "Jet_eta", "MET_pt"}
    assert steps.needed_for(["met2"]) == ("MET_pt",)
    assert steps.needed_for(["ht"]) == ("Jet_pt", "Jet_eta")
    assert steps.needed_for([]) == ()
    assert steps.variables_for(["unused"]) == ("central", "ht", "met2", "unused")
    assert steps.variables_for(["ht", "MET_pt"]) == ("central", "ht")


def test_compute() -> None:
    found = example().compute(COLUMNS, ["unused", "MET_pt", "central", "ht"])
    assert list(found) == ["unused", "MET_pt", "central", "ht"]
    assert found["MET_pt"] is COLUMNS["MET_pt"]
    assert found["central"].tolist() == [[50.0], [], [20.0]]
    assert found["ht"].tolist() == [50.0, 0.0, 20.0]
    np.testing.assert_array_equal(found["unused"], [150.0, 400.0, np.nan])


def test_only_what_is_wanted_is_computed() -> None:
    assert example().compute({"MET_pt": COLUMNS["MET_pt"]}, ["met2"])["met2"].tolist()[:2] == [100.0, 400.0]


def test_passing() -> None:
    passing = example().passing(COLUMNS)
    assert passing.dtype == np.bool_
    assert passing.tolist() == [[True, False, True], [False, True, True], [True, False, True]]


def test_a_column_with_the_name_of_a_variable_is_not_believed() -> None:
    found = example().compute({**COLUMNS, "ht": np.array([-1.0, -1.0, -1.0])}, ["ht"])
    assert found["ht"].tolist() == [50.0, 0.0, 20.0]


def test_nothing_to_do() -> None:
    steps = Preprocessing.build([], [], KINDS)
    assert steps == Preprocessing()
    assert steps.passing(COLUMNS).shape == (0, 3)
    assert steps.passing({}).shape == (0, 0)
    assert steps.passing({}, events=5).shape == (0, 5)
    assert steps.names == ()


def test_expressions_without_branches() -> None:
    steps = Preprocessing.build([variable("one", "1")], [cut("True")], {})
    assert steps.compute({}, ["one"], events=2)["one"].tolist() == [1, 1]
    assert steps.passing({}, events=2).tolist() == [[True, True]]
    assert steps.passing(COLUMNS).tolist() == [[True, True, True]]
    assert steps.compute(COLUMNS, ["one"])["one"].tolist() == [1, 1, 1]


def test_the_legacy_example() -> None:
    steps = Preprocessing.build(
        [variable("log_partonE", "log(partonE)", "jagged"), variable("nJets_square", "nJets**2", "flat")],
        [
            cut("any(log_partonE<6.31)"),
            cut("all(log_partonE>5.85)"),
            cut("1<=nJets_square<=16"),
            cut("0<=nLeptons<=2"),
            cut("all(partonPt>200)"),
        ],
        {"partonE": "jagged", "partonPt": "jagged", "nJets": "flat", "nLeptons": "flat"},
    )
    energy: list[list[float]] = [[400.0, 600.0], [300.0, 400.0], [], [700.0]]
    momentum: list[list[float]] = [[250.0, 100.0], [300.0], [], [201.0, 202.0]]
    jets, leptons = [4, 1, 0, 5], [0, 1, 2, 3]
    passing = steps.passing(
        {
            "partonE": Jagged.from_lists(energy),
            "partonPt": Jagged.from_lists(momentum),
            "nJets": np.array(jets, np.int8),
            "nLeptons": np.array(leptons),
        }
    )
    expected = [
        [any(np.log(e) < 6.31 for e in event) for event in energy],
        [all(np.log(e) > 5.85 for e in event) for event in energy],
        [1 <= n**2 <= 16 for n in jets],
        [0 <= n <= 2 for n in leptons],
        [all(pt > 200 for pt in event) for event in momentum],
    ]
    assert passing.tolist() == expected


def test_json_and_pickle() -> None:
    steps = example()
    data = json.loads(json.dumps(steps.to_json()))
    assert data[0] == {"variable": "central", "expression": "Jet_pt[abs(Jet_eta) < 2.4]", "kind": "jagged"}
    assert data[-1] == {"cut": "nJets", "expression": "nJets"}
    for again in (Preprocessing.from_json(data), pickle.loads(pickle.dumps(steps))):
        assert again == steps
        assert again.passing(COLUMNS).tolist() == steps.passing(COLUMNS).tolist()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "the preprocessing is not a list"),
        ([{"variable": "x", "expression": "y"}], "the preprocessing has an unknown entry"),
        ([{"variable": "x", "expression": "y", "kind": "round"}], "the preprocessing has an unknown entry"),
        ([{"cut": "x", "expression": "y", "more": 1}], "the preprocessing has an unknown entry"),
        ([3], "the preprocessing has an unknown entry 3"),
    ],
)
def test_bad_json(data: object, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Preprocessing.from_json(data)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ([variable("MET_pt", "nJets")], "variable MET_pt: there is already a branch of this name; choose another name"),
        ([variable("a", "1"), variable("a", "2")], "variable a: there is already a variable of this name"),
        (
            [variable("a", "Jet_pt * 2", "flat")],
            "variable a: the expression 'Jet_pt * 2' is jagged, not flat; state jagged as its type",
        ),
        ([variable("a", "nJets", "jagged")], "variable a: the expression 'nJets' is flat, not jagged"),
    ],
)
def test_contradictions(variables: list[Variable], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Preprocessing.build(variables, [], KINDS)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("variables", "cuts", "message"),
    [
        ([variable("a", "nJets +")], [], "variable a: the expression is incomplete at column 8 of 'nJets +'"),
        (
            [variable("a", "nJetz")],
            [],
            "variable a: there is no branch nJetz at column 1 of 'nJetz'; did you mean nJets?",
        ),
        ([variable("a", "a + 1")], [], "variable a: a variable cannot use itself in 'a + 1'"),
        (
            [variable("a", "b + 1"), variable("b", "1")],
            [],
            "variable a: variable b is defined only later in 'b + 1'; define it before it is used",
        ),
        ([], [cut("sum(nJets) > 1")], "cut: sum(...) needs a list of values an event, but branch nJets is flat"),
        ([], [cut("nJets * 2", "two")], "cut two: this is a number, not a condition at column 1 of 'nJets * 2'"),
        ([variable("a", "1")], [cut("b > 1", "two")], "cut two: there is no branch b at column 1"),
        (
            [],
            [cut("Jet_pt > 1")],
            "cut: the cut makes a list of values an event, not one in 'Jet_pt > 1'; write any(Jet_pt > 1) or all(Jet",
        ),
    ],
)
def test_wrong_expressions(variables: list[Variable], cuts: list[Cut], message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Preprocessing.build(variables, cuts, KINDS)
    assert str(caught.value).startswith(message)
    assert caught.value.text in (variables[0].expression if variables else "", *(c.expression for c in cuts))


def test_the_position_is_kept() -> None:
    with pytest.raises(ExpressionError) as caught:
        Preprocessing.build([variable("a", "1 + nJetz")], [], KINDS)
    assert (caught.value.text, caught.value.position) == ("1 + nJetz", 4)


def test_a_missing_branch() -> None:
    columns = {"Jet_pT": COLUMNS["Jet_pt"], "Jet_eta": COLUMNS["Jet_eta"]}
    with pytest.raises(BranchNotFoundError, match=r"branch Jet_pt is missing; did you mean Jet_pT?"):
        example().compute(columns, ["ht"])
    with pytest.raises(BranchNotFoundError, match="branch Muon_pt is missing"):
        example().passing({name: column for name, column in COLUMNS.items() if name != "Muon_pt"})


def test_lists_of_different_lengths() -> None:
    steps = Preprocessing.build([variable("a", "Jet_pt * Muon_pt")], [], KINDS)
    with pytest.raises(LengthMismatchError) as caught:
        steps.compute(COLUMNS, ["a"])
    assert caught.value.event == 0


def test_a_cut_that_turns_out_jagged() -> None:
    steps = Preprocessing.build([], [cut("MET_pt > 1")], KINDS)
    with pytest.raises(ExpressionError, match="cut MET_pt > 1: the cut makes a list of values an event, not one"):
        steps.passing({"MET_pt": COLUMNS["Jet_pt"]})


def test_on_simulated_events(pythia: Path) -> None:
    uproot = pytest.importorskip("uproot")
    file = next(iter(sorted(pythia.glob("*.root"))), None)
    if file is None:
        pytest.skip(f"no example files in {pythia}")
    with uproot.open(file) as opened:
        tree = next(opened[key] for key in opened.keys(recursive=False) if hasattr(opened[key], "num_entries"))
        jagged = tree["Jet_pt"].array(library="ak", entry_stop=500)
        lists: list[list[float]] = jagged.tolist()
    steps = Preprocessing.build(
        [variable("ht", "sum(Jet_pt[Jet_pt > 40])")], [cut("ht > 100"), cut("len(Jet_pt) >= 2")], {"Jet_pt": "jagged"}
    )
    columns: dict[str, Column] = {"Jet_pt": Jagged.from_lists(lists, np.float32)}
    ht = [sum(pt for pt in event if pt > 40) for event in lists]
    assert steps.compute(columns, ["ht"])["ht"].tolist() == pytest.approx(ht)
    assert steps.passing(columns).tolist() == [[value > 100 for value in ht], [len(event) >= 2 for event in lists]]
