from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mlaas4hep.config import Cut, Reading, Sample, Split, Variable, Workflow

SAMPLES = [{"name": "signal", "files": "s.root", "label": 1}, {"name": "background", "files": "b.root", "label": 0}]


def workflow(**settings: Any) -> Workflow:
    return Workflow.model_validate({"samples": SAMPLES, **settings})


def test_variables_in_three_forms() -> None:
    expected = (Variable(name="a", expression="x + 1"), Variable(name="b", expression="a**2", kind="flat"))
    assert workflow(variables={"a": "x + 1", "b": {"expression": "a**2", "kind": "flat"}}).variables == expected
    listed = [{"name": "a", "expression": "x + 1"}, {"name": "b", "expression": "a**2", "kind": "flat"}]
    assert workflow(variables=listed).variables == expected
    assert workflow(variables=expected).variables == expected


def test_selection_in_four_forms() -> None:
    first, second = Cut(name="x > 1", expression="x > 1"), Cut(name="tight", expression="y < 2")
    assert workflow(selection="x > 1").selection == (first,)
    assert workflow(selection={"name": "tight", "expression": "y < 2"}).selection == (second,)
    assert workflow(selection=["x > 1", {"name": "tight", "expression": "y < 2"}]).selection == (first, second)
    assert workflow(selection=[{"expression": "x > 1"}]).selection == (first,)


def test_sections_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        workflow().events = 5


def test_train_is_what_is_left() -> None:
    assert Split(validation=0.3, test=0.2).train == pytest.approx(0.5)


def test_all_events_in_one_chunk() -> None:
    assert Reading(chunk_size=-1).chunk_size == -1


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"events": 0}, "should be positive, or -1 for all"),
        ({"events": -2}, "should be positive, or -1 for all"),
        ({"split": {"validation": 0.5, "test": 0.5}}, "validation 0.5 \\+ test 0.5 leave nothing for training"),
        ({"split": {"validation": float("nan")}}, "validation"),
        ({"reading": {"chunk_size": 0}}, "should be positive, or -1 for all"),
        ({"features": {"length": {"Jet_pt": 0}}}, "greater than or equal to 1"),
        ({"samples": [SAMPLES[0], SAMPLES[0]]}, "two samples are named signal"),
        ({"variables": [{"name": "a", "expression": "x"}] * 2}, "two variables are named a"),
        (
            {"samples": [{"name": "s", "files": "s.root"}], "training": {"model": "m.py"}},
            "sample s has no label, and no label_branch is given",
        ),
    ],
)
def test_contradictions(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        workflow(**settings)


def test_a_label_branch_is_enough() -> None:
    found = workflow(samples=[{"name": "s", "files": "s.root"}], training={"model": "m.py"}, label_branch="isSignal")
    assert found.samples == (Sample(name="s", files=("s.root",)),)
    assert found.samples[0].label is None


@pytest.mark.parametrize(
    ("sections", "names"),
    [
        ({"features": {"quantile": 0.9, "length": 3}}, ["features.quantile", "features.length"]),
        ({"specs": "specs.json", "features": {"length": {"Jet_*": 2}}}, ["specs", "features.length"]),
        ({"specs": "specs.json", "features": {"quantile": 0.9}}, ["specs", "features.quantile"]),
        ({"training": {"model": "m.py", "task": "regression", "signal": 1}}, ["training.signal", "training.task"]),
        ({"training": {"model": "m.py", "task": "multiclass", "threshold": 0.3}}, ["training.threshold", "multiclass"]),
        (
            {"training": {"model": "m.py", "task": "regression"}, "weights": {"balance": True}},
            ["weights.balance", "regression"],
        ),
        (
            {"training": {"model": "m.py", "early_stopping": 3}, "split": {"validation": 0}},
            ["training.early_stopping", "split.validation"],
        ),
    ],
)
def test_settings_of_which_one_would_have_no_effect_are_refused(sections: dict[str, Any], names: list[str]) -> None:
    samples = [{"name": "s", "files": "s.root", "label": 1}]
    with pytest.raises(ValidationError) as caught:
        Workflow.model_validate({"samples": samples, **sections})
    assert all(name in str(caught.value) for name in (*names, "contradict"))


def test_a_length_of_one_branch_and_a_quantile_for_all_others_agree() -> None:
    features = {"quantile": 0.9, "length": {"Jet_pt": 3}}
    found = Workflow.model_validate({"samples": [{"name": "s", "files": "s.root"}], "features": features})
    assert found.features.quantile == 0.9


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("training", "batch_size", 0),
        ("training", "epochs", -1),
        ("training", "early_stopping", 0),
        ("training", "threads", 0),
        ("training", "verbose", 3),
        ("training", "importance", -2),
        ("training", "seed", -1),
        ("reading", "workers", 0),
        ("reading", "memory_limit", 0),
        ("reading", "chunk_size", 0),
        ("features", "quantile", 1.5),
        ("features", "length", 0),
        ("split", "validation", 1.0),
        ("split", "seed", -1),
    ],
)
def test_a_number_out_of_its_range(section: str, key: str, value: float) -> None:
    sections: dict[str, Any] = {
        "samples": [{"name": "s", "files": "s.root", "label": 1}],
        "training": {"model": "m.py"},
    }
    sections.setdefault(section, {})[key] = value
    with pytest.raises(ValidationError):
        Workflow.model_validate(sections)
