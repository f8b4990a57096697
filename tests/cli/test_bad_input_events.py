"""Too few events: none after the cuts, fewer than asked for, more than fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import MODELS
from tests.support.samples import columns

if TYPE_CHECKING:
    from tests.cli.conftest import Work

EVENTS = len(columns(signal=True)["event"])


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_no_event_left_after_the_cuts(work: Work, quiet: list[str]) -> None:
    arguments = work.yaml(selection=[{"name": "heavy", "expression": "mass > 50"}, "MET_pt < 0"])
    outcome = work.refused(*arguments, *quiet, says=["no event is left after the cuts", "cutflow:"], only=False)
    for name in ("sig", "bkg"):
        heavy = int((columns(signal=name == "sig")["mass"] > 50).sum())
        lines = outcome.err.splitlines()
        start = lines.index(str(work.inputs / f"{name}.root"))
        assert lines[start + 1].split()[:3] == ["all", "events", str(EVENTS)]
        assert lines[start + 2].split()[:2] == ["heavy", str(heavy)]
        assert lines[start + 3].split()[:4] == ["MET_pt", "<", "0", "0"]
    assert outcome.err.splitlines()[-4] == "total"


def test_no_event_left_after_the_cuts_of_a_preproc(work: Work) -> None:
    preproc = {"jagged_cut": {"Jet_pt": {"cut": ["Jet_pt > 1e6", "any"]}}}
    outcome = work.refused(*work.legacy(preproc=preproc), says=["no event is left after the cuts"], only=False)
    assert "any(Jet_pt > 1e6)" in outcome.err


def test_fewer_events_than_asked_for(work: Work) -> None:
    says = [f"1000 events are asked for, {2 * EVENTS} pass the cuts", f"sig.root: {EVENTS}", "or -1 for all"]
    work.refused(*work.legacy(nevts=1000), says=says)
    work.refused(*work.yaml(events=1000), says=says)
    passing = sum(int((columns(signal=signal)["mass"] > 110).sum()) for signal in (True, False))
    arguments = work.yaml(events=passing + 1, selection="mass > 110")
    work.refused(*arguments, says=[f"{passing + 1} events are asked for, {passing} pass", f"at most {passing}"])


def test_fewer_events_than_asked_for_by_other_commands(work: Work) -> None:
    path = work.inputs / "sig.root"
    work.refused("specs", path, "--events", "1000", says=["1000 events are asked for, 300 pass the cuts"])
    work.refused("reader", "--fin", path, "--nevts", "1000", says=["1000 events are asked for, 300 pass the cuts"])


@pytest.mark.parametrize("model", ["decision_tree", "k_neighbors", "hist_gradient_boosting"])
def test_more_events_than_the_memory_limit(work: Work, model: str) -> None:
    arguments = work.legacy(model=MODELS / f"{model}.py", memory_limit="8 kB")
    says = ["events for train need", "in memory", "the limit is", "raise memory_limit", "a model that streams"]
    work.refused(*arguments, says=says)


def test_a_split_that_cannot_be(work: Work) -> None:
    says = ["params.json: ", "validation 0.5 + test 0.5 leave nothing for training"]
    work.refused(*work.legacy(split=0.5, test=0.5), says=says)
