"""Everything before a model is built."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError, LabelError, NoEventsError, SplitError, WeightError
from mlaas4hep.features.normalisation import LayoutChoice
from mlaas4hep.streaming.monitor import Collector
from tests.support.reference import CUTS, VARIABLES, part_of, passing, variables_of
from tests.support.workflows import Prepared, opened, prepare
from tests.support.written import Event, make_events, workflow_of, write_rntuple, write_ttree

SAMPLES: dict[str, list[Event]] = {
    "signal": make_events(120, seed=1, signal=True),
    "background": make_events(200, seed=2, signal=False),
    "more": make_events(80, seed=3, signal=False),
}
FILE_WEIGHTS = {"signal": 0.5, "background": 2.0, "more": 1.5}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("prepare")
    return {
        "signal": write_ttree(folder / "signal.root", SAMPLES["signal"]),
        "background": write_rntuple(folder / "background.root", SAMPLES["background"]),
        "more": write_ttree(folder / "more.root", SAMPLES["more"]),
    }


def workflow(paths: dict[str, Path], names: tuple[str, ...] = tuple(SAMPLES), **settings: Any) -> Workflow:
    samples = [
        {
            "name": name,
            "files": str(paths[name]),
            "label": None if "label_branch" in settings else "signal" if name == "signal" else "background",
            "weight": FILE_WEIGHTS[name],
        }
        for name in names
    ]
    defaults: dict[str, Any] = {
        "samples": samples,
        "variables": VARIABLES,
        "selection": list(CUTS),
        "weights": {"branch": "w"},
        "features": {"missing": [-999]},
        "training": {"model": "model.py"},
    }
    return Workflow.model_validate({**defaults, **settings})


def prepared(configuration: Workflow, monitor: Collector | None = None) -> Prepared:
    with opened(configuration) as files:
        return prepare(configuration, files, monitor or Collector())


def kept(name: str) -> list[Event]:
    return [event | variables_of(event) for event in SAMPLES[name] if all(passing(event))]


def part(event: Event, seed: int = 0) -> int:
    identity = [event[name] for name in ("run", "event", "luminosityBlock")]
    return part_of(identity, validation=0.2, test=0.2, seed=seed)


def test_classes_totals_and_weights(paths: dict[str, Path]) -> None:
    found = prepared(workflow(paths))
    assert (found.labelled.labels.task, found.labelled.labels.classes) == ("binary", ("background", "signal"))
    groups = [[("background", e) for e in kept("background")] + [("more", e) for e in kept("more")]]
    groups.append([("signal", event) for event in kept("signal")])
    for row, group in enumerate(groups):
        weights = [FILE_WEIGHTS[name] * event["w"] for name, event in group]
        for index in range(3):
            mine = [w for w, (_, event) in zip(weights, group, strict=True) if part(event) == index]
            assert found.labelled.totals.events[row, index] == len(mine)
            assert found.labelled.totals.weights[row, index] == math.fsum(mine)
        assert found.labelled.full_sums[row] == math.fsum(weights)
    sums = found.labelled.totals.weights[:, 0]
    expected = found.labelled.totals.events[:, 0].sum() / (2 * sums)
    np.testing.assert_allclose(found.labelled.weights.factors, expected, rtol=1e-12)


def test_sums_of_the_full_sample_do_not_depend_on_the_limit(paths: dict[str, Path]) -> None:
    whole, some = prepared(workflow(paths)), prepared(workflow(paths, events=60))
    assert some.first.scan.used == 60
    assert some.labelled.full_sums == whole.labelled.full_sums


def layout_of(configuration: Workflow, *, nan: bool = False) -> LayoutChoice:
    return prepared(configuration).columns(configuration, nan=nan)


def training_values(name: str) -> list[float]:
    values: list[float] = []
    for sample in SAMPLES:
        for event in kept(sample):
            if part(event) == 0:
                values += event[name] if isinstance(event[name], list) else [float(event[name])]
    return [v for v in values if math.isfinite(v) and v != -999.0]


def test_layout_is_fitted_on_the_training_events(paths: dict[str, Path]) -> None:
    choice = layout_of(workflow(paths))
    branches = {branch.name: branch for branch in choice.layout.branches}
    assert tuple(branches)[-3:] == ("ht", "lead", "scaled")
    assert {"met", "charge", "flag", "cells", "Jet_pt", "Jet_eta", "target"} == set(branches) - set(VARIABLES)
    for name, branch in branches.items():
        values = np.array(training_values(name), dtype=np.float32)
        assert branch.offset == values.min(), name
        assert branch.scale == pytest.approx(1.0 / float(values.max() - values.min()), rel=1e-6), name
    longest = max(len(e["Jet_pt"]) for name in SAMPLES for e in kept(name) if part(e) == 0)
    assert branches["Jet_pt"].length == longest
    assert branches["cells"].length == 3
    assert any("infinite" in warning and " met (" in warning for warning in choice.warnings)
    assert any("missing values" in warning and "Jet_pt (" in warning for warning in choice.warnings)


def test_cutflow_is_shown_in_the_order_of_the_user(paths: dict[str, Path]) -> None:
    names = ("more", "signal", "background")
    monitor = Collector()
    prepared(workflow(paths, names), monitor)
    (note,) = monitor.notes
    positions = [note.index(str(paths[name])) for name in names]
    assert positions == sorted(positions)
    for cut in CUTS:
        assert cut in note
    quiet = Collector()
    prepared(workflow(paths, selection=[]), quiet)
    assert quiet.notes == []


def test_exclude_that_matches_nothing(paths: dict[str, Path]) -> None:
    monitor = Collector()
    prepared(workflow(paths, features={"exclude": ["Tau_*"]}), monitor)
    assert monitor.warnings == ["features.exclude names branches that do not exist: Tau_*"]


def test_legacy_specs(paths: dict[str, Path], tmp_path: Path) -> None:
    specs = {
        "jdim": {"Jet_pt": 2},
        "minv": {"met": 5.0, "Jet_pt": 10.0},
        "maxv": {"met": 105.0, "Jet_pt": 210.0},
        "fkeys": ["met"],
        "jkeys": ["Jet_pt"],
        "nans": {},
        "events": {"total": 1},
    }
    path = tmp_path / "specs.json"
    path.write_text(json.dumps(specs))
    features = {"include": ["met", "Jet_pt"], "missing": [-999]}
    found = layout_of(workflow(paths, specs=str(path), features=features, variables={}))
    assert [(b.name, b.length, b.offset, b.scale) for b in found.layout.branches] == [
        ("met", 1, 5.0, float(np.float32(0.01))),
        ("Jet_pt", 2, 10.0, float(np.float32(0.005))),
    ]


def test_features_missing_everywhere(tmp_path: Path) -> None:
    events = [{**event, "met": math.nan} for event in SAMPLES["signal"]]
    files = {
        name: (write_ttree(tmp_path / f"{name}.root", events[i::2], names=["met", "charge"]), name)
        for i, name in enumerate(("a", "b"))
    }
    some = workflow_of(files, training={"model": "model.py"})
    choice = layout_of(some)
    assert choice.left_out == {"met": "missing in every training event"}
    assert [branch.name for branch in choice.layout.branches] == ["charge"]
    none = workflow_of(files, training={"model": "model.py"}, features={"include": ["met"]})
    with pytest.raises(ConfigError, match="every feature is missing in every training event"):
        layout_of(none)


def test_label_branch(paths: dict[str, Path]) -> None:
    found = prepared(workflow(paths, label_branch="charge", selection=["met > 15"]))
    assert (found.labelled.labels.task, found.labelled.labels.classes) == ("multiclass", (-1, 0, 1))
    assert "charge" not in found.first.branches.features
    events = [event for name in SAMPLES for event in SAMPLES[name] if event["met"] > 15]
    assert found.labelled.totals.events.sum(axis=1).tolist() == [
        sum(e["charge"] == c for e in events) for c in (-1, 0, 1)
    ]
    flag = prepared(workflow(paths, label_branch="flag"))
    assert (flag.labelled.labels.task, flag.labelled.labels.classes) == ("binary", (0, 1))


def test_regression(paths: dict[str, Path]) -> None:
    configuration = workflow(paths, label_branch="target", training={"model": "model.py", "task": "regression"})
    found = prepared(configuration)
    assert found.labelled.labels.task == "regression"
    assert found.labelled.totals.events.shape == (1, 3)
    assert not found.labelled.weights.balanced


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"label_branch": "run"}, LabelError, "only one class"),
        ({"label_branch": "met"}, LabelError, r"background\.root: label of entry 5 is inf"),
        ({"label_branch": "target"}, LabelError, "different labels"),
        ({"selection": ["met < 0"]}, NoEventsError, "no event is left after the cuts"),
        ({"events": 100_000}, NoEventsError, "100000 events are asked for"),
        ({"weights": {"branch": "w", "negative": "error"}}, WeightError, "is negative"),
        ({"events": 4}, SplitError, "has no event for"),
    ],
)
def test_mistakes(paths: dict[str, Path], settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        prepared(workflow(paths, **settings))
