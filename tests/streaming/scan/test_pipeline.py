"""What is done to a range of entries, against a computation event by event in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.config import Split
from mlaas4hep.errors import ExpressionError, LabelError, UnsupportedBranchError, WeightError
from mlaas4hep.features.columns import Jagged, select
from mlaas4hep.streaming.files import DataFile, close_files, open_files
from mlaas4hep.streaming.scan.branches import choose_branches
from mlaas4hep.streaming.scan.pipeline import Pipeline, Selected
from tests.support.reference import CUTS, VARIABLES, part_of, passing, variables_of
from tests.support.written import TYPES, Event, make_events, workflow_of, write_rntuple, write_ttree

EVENTS = make_events(150, seed=5, signal=True)
FEATURES = ("met", "charge", "flag", "cells", "Jet_pt", "ht", "lead", "scaled")
WEIGHT = 2.5


@pytest.fixture(scope="module", params=["ttree", "rntuple"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataFile]:
    write = write_ttree if request.param == "ttree" else write_rntuple
    path = write(tmp_path_factory.mktemp("pipeline") / "events.root", EVENTS)
    workflow = workflow_of({"signal": (path, "signal")})
    (sample,) = (sample.model_copy(update={"weight": WEIGHT}) for sample in workflow.samples)
    files = open_files([sample], "Events", workflow.reading)
    yield files[0]
    close_files(files)


def pipeline_of(file: DataFile, **changes: Any) -> Pipeline:
    settings: dict[str, Any] = {"variables": VARIABLES, "selection": list(CUTS)}
    workflow = workflow_of({"signal": (Path(file.path), "signal")}, **settings | changes.pop("settings", {}))
    branches = choose_branches([file], workflow.event_settings)
    values: dict[str, Any] = {
        "preprocessing": branches.preprocessing,
        "features": FEATURES,
        "identifier": ("run", "luminosityBlock", "event"),
        "label_branch": None,
        "weight_branch": "w",
        "negative": "keep",
        "split": Split(validation=0.3, test=0.2, seed=7),
        "missing": (-999.0,),
    }
    return Pipeline(**{**values, **changes})


def unlabelled(file: DataFile) -> DataFile:
    """The same file without a label of its own, as where a branch holds the labels."""
    return replace(file, sample=file.sample.model_copy(update={"label": None}))


def expected(start: int, stop: int) -> list[tuple[int, Event]]:
    return [(entry, EVENTS[entry]) for entry in range(start, stop) if all(passing(EVENTS[entry]))]


@pytest.mark.parametrize(("start", "stop"), [(0, 150), (0, 40), (35, 121), (149, 150), (60, 60)])
def test_events_that_pass_with_their_features(file: DataFile, start: int, stop: int) -> None:
    found = pipeline_of(file).apply(file, start, stop)
    kept = expected(start, stop)
    assert found.entry.tolist() == [entry for entry, _ in kept]
    assert len(found) == len(kept)
    assert tuple(found.columns) == FEATURES
    assert found.index.tolist() == [entry - start for entry, _ in kept]
    for name, whole in found.columns.items():
        assert len(whole) == stop - start
        column = select(whole, np.isin(np.arange(stop - start), found.index))
        values = [(event | variables_of(event))[name] for _, event in kept]
        if isinstance(column, Jagged):
            assert [len(row) for row in column.tolist()] == [len(row) for row in values]
            flat = [x for row in values for x in row]
            np.testing.assert_allclose(column.values, flat, rtol=1e-6, err_msg=name)
        else:
            np.testing.assert_allclose(column, values, rtol=1e-6, err_msg=name)
    np.testing.assert_array_equal(found.weight, [WEIGHT * event["w"] for _, event in kept])
    parts = [
        part_of([event[name] for name in ("run", "luminosityBlock", "event")], validation=0.3, test=0.2, seed=7)
        for _, event in kept
    ]
    assert found.part.tolist() == parts
    assert found.label is None


def test_cutflow(file: DataFile) -> None:
    cutflow = pipeline_of(file).apply(file, 10, 130).cutflow
    left = [(event, passing(event)) for event in EVENTS[10:130]]
    assert cutflow.names == CUTS
    for row in range(len(CUTS) + 1):
        rest = [event for event, passes in left if all(passes[:row])]
        assert cutflow.events[row] == len(rest)
        assert cutflow.weights[row].value() == math.fsum(WEIGHT * event["w"] for event in rest)


def test_without_cuts_every_event_is_kept(file: DataFile) -> None:
    pipeline = pipeline_of(file, settings={"selection": []})
    found = pipeline.apply(file, 0, 150)
    assert len(found) == 150
    assert not pipeline.selects
    assert found.cutflow.events == (150,)


def test_only_what_is_needed_is_read(file: DataFile) -> None:
    pipeline = pipeline_of(file, features=("charge",), identifier=(), weight_branch=None)
    assert set(pipeline.needed) == {"charge", "met", "Jet_pt", "flag"}
    whole = pipeline_of(file, label_branch="target")
    assert set(whole.counting(labels=False).needed) == {"charge", "met", "Jet_pt", "flag", "w"}
    assert whole.counting(labels=False).label_branch is None
    assert whole.counting(labels=True).label_branch == "target"


@pytest.mark.parametrize("negative", ["keep", "abs", "drop"])
def test_counting_finds_the_same_events(file: DataFile, negative: Any) -> None:
    pipeline = pipeline_of(file, negative=negative)
    assert (
        pipeline.counting(labels=True).apply(file, 0, 150).entry.tolist() == pipeline.apply(file, 0, 150).entry.tolist()
    )


def test_events_without_identifier_are_known_by_file_and_entry(file: DataFile) -> None:
    found = pipeline_of(file, identifier=()).apply(file, 20, 150)
    identity = file.source.identity
    assert found.part.tolist() == [
        part_of([entry], validation=0.3, test=0.2, seed=7, file=identity) for entry in found.entry.tolist()
    ]


def test_negative_identifiers(file: DataFile) -> None:
    found = pipeline_of(file, identifier=("charge", "event")).apply(file, 0, 150)
    assert found.part.tolist() == [
        part_of([event["charge"], event["event"]], validation=0.3, test=0.2, seed=7) for _, event in expected(0, 150)
    ]


def test_negative_weights(file: DataFile) -> None:
    kept = [event["w"] for _, event in expected(0, 150)]
    assert any(weight < 0 for weight in kept)
    absolute = pipeline_of(file, negative="abs").apply(file, 0, 150)
    np.testing.assert_array_equal(absolute.weight, [abs(weight) * WEIGHT for weight in kept])
    dropped = pipeline_of(file, negative="drop").apply(file, 0, 150)
    np.testing.assert_array_equal(dropped.weight, [weight * WEIGHT for weight in kept if weight >= 0])
    assert dropped.cutflow.names == (*CUTS, "weight >= 0")
    assert dropped.cutflow.events[-2:] == (len(kept), len(dropped))
    first = next(i for i, event in expected(0, 150) if event["w"] < 0)
    with pytest.raises(WeightError, match=rf"weight of entry {first} is negative \(-"):
        pipeline_of(file, negative="error").apply(file, 0, 150)


def test_drop_selects_even_without_cuts(file: DataFile) -> None:
    pipeline = pipeline_of(file, negative="drop", settings={"selection": []})
    assert pipeline.selects
    assert len(pipeline.apply(file, 0, 150)) == sum(event["w"] >= 0 for event in EVENTS)


def test_weight_and_label_may_be_variables(file: DataFile) -> None:
    variables = {**VARIABLES, "double": "2 * w", "kind": "charge > 0"}
    pipeline = pipeline_of(file, settings={"variables": variables}, weight_branch="double", label_branch="kind")
    found = pipeline.apply(unlabelled(file), 0, 150)
    kept = [event for _, event in expected(0, 150)]
    np.testing.assert_array_equal(found.weight, [2 * event["w"] * WEIGHT for event in kept])
    assert found.label is not None
    np.testing.assert_array_equal(found.label, [event["charge"] > 0 for event in kept])


def test_weights_that_are_no_numbers_name_the_entry(file: DataFile) -> None:
    entry = next(i for i, event in enumerate(EVENTS) if not math.isfinite(event["met"]) and i >= 30)
    with pytest.raises(WeightError, match=f"weight of entry {entry} is {EVENTS[entry]['met']}"):
        pipeline_of(file, weight_branch="met", settings={"selection": []}).apply(file, 30, 150)


@pytest.mark.parametrize("shift", [0.0, 40.0])
def test_cuts_come_before_the_weights(file: DataFile, shift: float) -> None:
    """An event that the cuts remove may have any weight: NaN, infinite, or negative where that is an error."""

    def pipeline(*cuts: str, negative: str = "keep") -> Pipeline:
        settings = {"selection": list(cuts), "variables": {"shifted": f"met - {shift}"}}
        return pipeline_of(file, weight_branch="shifted", negative=negative, features=("charge",), settings=settings)

    finite = [event["met"] - shift for event in EVENTS if math.isfinite(event["met"])]
    found = pipeline("isfinite(met)", "met < 40").apply(file, 0, 150)
    np.testing.assert_array_equal(found.weight, [weight * WEIGHT for weight in finite if weight < 40 - shift])
    assert found.unweighted == len(EVENTS) - len(finite) > 0
    assert found.cutflow.weights[0].value() == math.fsum(weight * WEIGHT for weight in finite)
    strict = pipeline("isfinite(met)", "met >= 40", negative="error").apply(file, 0, 150)
    assert len(strict) == sum(weight >= 40 - shift for weight in finite)
    for negative in ("drop", "keep"):
        with pytest.raises(WeightError, match=r"weight of entry \d+ is (nan|inf)"):
            pipeline("charge > -5", negative=negative).apply(file, 0, 150)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"weight_branch": "Jet_pt"}, WeightError, "weight branch Jet_pt is jagged"),
        ({"label_branch": "Jet_pt"}, LabelError, "label branch Jet_pt is jagged"),
        ({"identifier": ("Jet_pt",)}, UnsupportedBranchError, "a jagged branch cannot identify an event"),
    ],
)
def test_jagged_where_one_number_is_needed(
    file: DataFile, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        pipeline_of(file, **changes).apply(unlabelled(file), 0, 150)
    assert str(caught.value).startswith(file.path)


def test_lists_of_different_lengths_name_the_entry(file: DataFile) -> None:
    pipeline = pipeline_of(file, settings={"variables": {"bad": "Jet_pt + cells"}}, features=("bad",))
    entry = next(i for i, event in enumerate(EVENTS) if i >= 45 and len(event["Jet_pt"]) != 3)
    with pytest.raises(ExpressionError, match=rf"entry {entry}\b") as caught:
        pipeline.apply(file, 45, 150)
    assert str(caught.value).startswith(file.path)


def test_some_of_the_selected(file: DataFile) -> None:
    found = pipeline_of(file, label_branch="charge").apply(unlabelled(file), 0, 150)
    keep = found.part == 1
    some = found.where(keep)
    assert isinstance(some, Selected)
    assert some.entry.tolist() == found.entry[keep].tolist()
    assert some.label is not None
    assert found.label is not None
    np.testing.assert_array_equal(some.label, found.label[keep])
    assert some.index.tolist() == found.index[keep].tolist()
    assert some.columns is found.columns
    assert some.cutflow is found.cutflow


def test_every_type_of_branch_can_be_read(file: DataFile) -> None:
    names = tuple(name for name in TYPES if name != "w")
    found = pipeline_of(file, features=names, settings={"selection": []}).apply(file, 0, 150)
    for name in names:
        column = found.columns[name]
        values = column.tolist()
        np.testing.assert_equal(values, [event[name] for event in EVENTS])
