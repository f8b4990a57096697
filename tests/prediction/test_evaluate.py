"""The quality of a bundle on other files."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.config import Reading, Sample
from mlaas4hep.errors import BranchNotFoundError, ConfigError, LabelError, NoEventsError, UnsupportedBranchError
from mlaas4hep.prediction.evaluate import Evaluation, evaluate_bundle
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.monitor import Collector
from tests.support.trained import SAMPLES, Independent, Small
from tests.support.written import TYPES, Event, make_events, write_csv, write_ttree


def evaluated(
    small: Small,
    files: dict[str, tuple[Path, Any, float]],
    label_branch: str | None = None,
    workers: int = 1,
    **wishes: Any,
) -> Evaluation:
    samples = [
        Sample(name=name, files=(str(path),), label=label, weight=weight)
        for name, (path, label, weight) in files.items()
    ]
    with load_bundle(small.bundle) as bundle:
        reading = Reading(workers=workers)
        return evaluate_bundle(bundle, samples, reading, Collector(), label_branch=label_branch, **wishes)


@pytest.fixture(scope="module")
def held_out(reference: Independent, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any, float]]:
    """Files that hold the events of the test part alone; some that fail the cuts are among them."""
    folder = tmp_path_factory.mktemp("evaluate")
    other = {key for key, part in zip(reference.keys, reference.part, strict=True) if part != 2}
    files: dict[str, tuple[Path, Any, float]] = {}
    for name, (events, label, weight) in SAMPLES.items():
        kept = [event for entry, event in enumerate(events) if (name, entry) not in other]
        files[name] = (write_ttree(folder / f"{name}.root", kept, names=sorted(kept[0])), label, weight)
    return files


@pytest.fixture(scope="module")
def evaluation(small: Small, held_out: dict[str, tuple[Path, Any, float]]) -> Evaluation:
    return evaluated(small, held_out)


def test_test_events_have_the_metrics_of_the_training(small: Small, evaluation: Evaluation) -> None:
    expected = small.result.metrics["parts"]["test"]
    assert set(evaluation.metrics["parts"]) == {"data"}
    mine = evaluation.metrics["parts"]["data"]
    assert mine["events"] == expected["events"]
    assert mine["classes"]["signal"]["events"] == expected["classes"]["signal"]["events"]
    for kind in ("weighted", "unweighted"):
        assert mine[kind]["confusion"] == [pytest.approx(row) for row in expected[kind]["confusion"]]
        for figure in ("auc", "loss", "accuracy"):
            assert mine[kind][figure] == pytest.approx(expected[kind][figure], abs=1e-6)
    assert evaluation.metrics["ams"]["threshold"] == small.result.metrics["ams"]["threshold"]


def test_metrics_against_scikit_learn(reference: Independent, evaluation: Evaluation) -> None:
    train, test = reference.part == 0, reference.part == 2
    model = LogisticRegression(max_iter=500)
    model.fit(reference.x[train], reference.y[train], sample_weight=reference.training_weight[train])
    scores, y = model.predict_proba(reference.x[test])[:, 1], reference.y[test]
    found = evaluation.metrics["parts"]["data"]
    for kind, weight in (("unweighted", None), ("weighted", reference.weight[test])):
        assert found[kind]["auc"] == pytest.approx(roc_auc_score(y, scores, sample_weight=weight), abs=1e-4)
        assert found[kind]["loss"] == pytest.approx(log_loss(y, scores, sample_weight=weight), abs=1e-4)


def test_order_of_files_and_workers_do_not_matter(
    small: Small, held_out: dict[str, tuple[Path, Any, float]], evaluation: Evaluation
) -> None:
    assert evaluated(small, dict(reversed(held_out.items())), workers=2).metrics == evaluation.metrics
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert evaluated(small, held_out, executor=Executor(2, pool)).metrics == evaluation.metrics


def test_report(held_out: dict[str, tuple[Path, Any, float]], evaluation: Evaluation) -> None:
    assert evaluation.name == "small"
    assert "small: evaluation" in evaluation.report
    for path, _, _ in held_out.values():
        assert path.name in evaluation.report


def test_labels_from_a_branch(small: Small, tmp_path: Path) -> None:
    events = [{**event, "kind": int(event["met"] > 60)} for event in SAMPLES["signal"][0]]
    path = write_ttree(tmp_path / "kinds.root", events, types={"kind": np.int32})
    with pytest.raises(LabelError, match="label 0 is not a class of the model; its classes are background, signal"):
        evaluated(small, {"kinds": (path, None, 1.0)}, "kind")


def test_identifiers_are_not_needed(small: Small, tmp_path: Path) -> None:
    names = [name for name in TYPES if name not in {"run", "event", "luminosityBlock", "target"}]
    files: dict[str, tuple[Path, Any, float]] = {
        name: (write_ttree(tmp_path / f"{name}.root", events, names=names), label, weight)
        for name, (events, label, weight) in SAMPLES.items()
    }
    found = evaluated(small, files).metrics["parts"]["data"]
    expected = small.result.metrics["parts"]
    assert found["events"] == sum(part["events"] for part in expected.values())


def one_file(folder: Path, events: list[Event], **wishes: Any) -> dict[str, tuple[Path, Any, float]]:
    return {"s": (write_ttree(folder / "one.root", events, **wishes), "signal", 1.0)}


EVENTS = make_events(40, seed=9, signal=True, odd=False)


def test_one_class_has_no_auc(small: Small, tmp_path: Path) -> None:
    found = evaluated(small, one_file(tmp_path, EVENTS)).metrics
    assert found["parts"]["data"]["weighted"]["auc"] is None
    assert any("auc" in item["what"] for item in found["undefined"])


@pytest.mark.parametrize(
    ("change", "wishes", "error", "message"),
    [
        ({"met": 1.0}, {}, NoEventsError, "no event is left after the cuts; cutflow:"),
        ({}, {"names": [n for n in TYPES if n != "charge"]}, BranchNotFoundError, r"one\.root: no branch charge"),
        ({"charge": [1.0]}, {"types": {"charge": "var * float32"}}, ConfigError, "branch charge is jagged here, flat"),
        ({"cells": 1.0}, {"types": {"cells": np.float32}}, ConfigError, "branch cells is flat here, jagged in"),
    ],
)
def held_out_that_do_not_fit(
    small: Small,
    tmp_path: Path,
    change: dict[str, Any],
    wishes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        evaluated(small, one_file(tmp_path, [{**event, **change} for event in EVENTS], **wishes))


def test_text_where_a_number_was(small: Small, tmp_path: Path) -> None:
    names = [name for name in TYPES if name != "charge"]
    path = write_ttree(tmp_path / "text.root", EVENTS, names=names, extra={"charge": ["+"] * len(EVENTS)})
    with pytest.raises(UnsupportedBranchError, match=r"text\.root: branch charge holds char\*, not numbers"):
        evaluated(small, {"s": (path, "signal", 1.0)})


def test_a_feature_as_label(small: Small, tmp_path: Path) -> None:
    path = one_file(tmp_path, EVENTS)["s"][0]
    with pytest.raises(ConfigError, match="branch flag is the label, but the model takes it as a feature"):
        evaluated(small, {"s": (path, None, 1.0)}, "flag")


def held_out_without_labels(small: Small, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", EVENTS, ["met"])
    with pytest.raises(ConfigError, match="a file has no label; give one label per file"):
        evaluated(small, {"s": (path, None, 1.0)})
