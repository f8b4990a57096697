from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mlaas4hep.config import Workflow
from mlaas4hep.config.problems import config_error, dotted, suggestion

GOOD = {"samples": [{"name": "s", "files": "s.root", "label": 1}]}


def problem(**settings: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Workflow.model_validate(GOOD | settings)
    return str(config_error(caught.value, "w.yaml", Workflow))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"training": {"model": "m.py", "epoch": 3}},
            "w.yaml: training: unknown key 'epoch'; did you mean 'epochs'?",
        ),
        ({"Tree": "Events"}, "w.yaml: unknown key 'Tree'; did you mean 'tree'?"),
        ({"epochs": 3}, "w.yaml: unknown key 'epochs'; did you mean 'training.epochs'?"),
        ({"weights": {"weight": 1}}, "w.yaml: weights: unknown key 'weight'; did you mean 'samples.weight'?"),
        ({"split": {"zzz": 1}}, "w.yaml: split: unknown key 'zzz'; known keys are validation, test, seed"),
        (
            {"samples": [{"name": "s", "files": "s.root", "lable": 1}]},
            "w.yaml: samples.0: unknown key 'lable'; did you mean 'label'?",
        ),
        (
            {"training": {"modle": "m.py"}},
            (
                "w.yaml: training: unknown key 'modle'; did you mean 'model'? "
                "(also training: required key 'model' is missing)"
            ),
        ),
        ({"training": {}}, "w.yaml: training: required key 'model' is missing"),
        ({"samples": [{"files": "s.root"}]}, "w.yaml: samples.0: required key 'name' is missing"),
        ({"samples": []}, "w.yaml: samples: is empty"),
        ({"samples": [{"name": "", "files": "s.root"}]}, "w.yaml: samples.0.name: is empty"),
        (
            {"training": {"model": "m.py", "epochs": 0}},
            "w.yaml: training.epochs: should be greater than or equal to 1, is 0",
        ),
        ({"events": "many"}, "w.yaml: events: should be a valid integer, is 'many'"),
        ({"events": 2.5}, "w.yaml: events: should be a valid integer, is 2.5"),
        ({"features": None}, "w.yaml: features: should be a mapping of keys to values, is empty"),
        ({"features": {"include": 5}}, "w.yaml: features.include: should be a list, is 5"),
        ({"features": {"mask": "maybe"}}, "w.yaml: features.mask: should be a valid boolean, is 'maybe'"),
        (
            {"features": {"normalisation": "max"}},
            "w.yaml: features.normalisation: should be 'minmax', 'standard', 'robust' or 'none', is 'max'",
        ),
        (
            {"samples": [{"name": "s", "files": "s.root", "label": True}]},
            "w.yaml: samples.0.label: should be a name or a number, is True",
        ),
        ({"reading": {"memory_limit": "x" * 100}}, None),
        ({"events": 0}, "w.yaml: events: should be positive, or -1 for all, is 0"),
        (
            {"split": {"validation": 0.5, "test": 0.6}},
            "w.yaml: split: validation 0.5 + test 0.6 leave nothing for training",
        ),
        (
            {"events": "many", "tree": 1, "split": {"seed": -1}},
            (
                "w.yaml: tree: should be a valid string, is 1 (also events: should be a valid integer, is 'many'; "
                "and 1 more problem)"
            ),
        ),
        ({"histograms": 5}, "w.yaml: histograms: should be a path, is 5"),
    ],
)
def test_one_line(settings: dict[str, Any], line: str | None) -> None:
    found = problem(**settings)
    assert "\n" not in found
    assert len(found) < 250
    if line is not None:
        assert found == line


def test_suggestion_ignores_case_and_lists_all_if_nothing_is_near() -> None:
    assert suggestion("Chunk_Size", ["chunk_size", "workers"]) == "did you mean 'chunk_size'?"
    assert suggestion("zzz", ["chunk_size", "workers"]) == "known keys are chunk_size, workers"


def test_dotted() -> None:
    assert dotted(("samples", 0, "label")) == "samples.0.label"
