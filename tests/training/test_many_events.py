"""A training and an evaluation of more events than are kept one by one: the same figures, a whole report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.prediction.evaluate import evaluate_bundle
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.judging.summary import render_summary
from mlaas4hep.training.metrics import evaluate, gather
from mlaas4hep.training.metrics.gather import Gatherer
from mlaas4hep.training.report import ReportData, render_report
from mlaas4hep.training.workflow import run_training
from tests.support.trained import Small


def test_a_training_beyond_the_events_that_are_kept(small: Small, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(gather, "EXACT_EVENTS", 50)
    result = run_training(small.workflow, tmp_path / "bundle", Collector())
    exact, grouped = small.result.metrics, result.metrics
    for name, part in grouped["parts"].items():
        assert part["groups"]["number"] > 10
        for kind in ("unweighted", "weighted"):
            one, two = exact["parts"][name][kind], part[kind]
            assert two.get("auc_grouping", 0.0) == 0.0  # so few events that each score is a group
            for key in ("auc", "auc_error", "loss", "accuracy"):
                assert two[key] == pytest.approx(one[key])
    assert grouped["ams"]["value"] == pytest.approx(exact["ams"]["value"])
    assert grouped["ams"]["threshold"] == exact["ams"]["threshold"]
    evaluation = evaluate_bundle(
        load_bundle(tmp_path / "bundle"), small.workflow.samples, small.workflow.reading, Collector()
    )
    assert "groups" in evaluation.metrics["parts"]["data"]
    assert evaluation.report.rstrip().endswith("</html>")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_report_of_groups(task: Any) -> None:
    classes = {"binary": ("b", "s"), "multiclass": ("a", "b", "c"), "regression": ()}[task]
    rng = np.random.default_rng(0)
    gatherer = Gatherer(task, len(classes), ("train", "validation", "test"), exact=100)
    for _ in range(5):
        if task == "regression":
            y: Any = rng.gamma(3, 30, 1000).astype(np.float32)
            scores = (y + rng.normal(0, 5, 1000)).astype(np.float32)[:, None]
        else:
            y = rng.integers(0, len(classes), 1000)
            scores = rng.dirichlet(np.ones(len(classes)), 1000).astype(np.float32)
            scores = scores[:, 1:] if task == "binary" else scores
        gatherer.add(y, scores, rng.uniform(0.5, 1.5, 1000), rng.integers(0, 3, 1000).astype(np.int8))
    parts = gatherer.parts()
    metrics = evaluate(task, classes, parts, replicas=5)
    page = render_report(ReportData("many", task, classes, metrics, parts))
    assert page.count("<svg") >= 3
    assert page == render_report(ReportData("many", task, classes, metrics, parts))
    assert "many" in render_summary("many", metrics)
