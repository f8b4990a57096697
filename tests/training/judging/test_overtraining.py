"""The sentence on overtraining: there when training and test events differ, absent when they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from mlaas4hep.training.judging.overtraining import overtraining
from mlaas4hep.training.metrics import Part, evaluate


def trained(model: Any, events: int = 3000) -> dict[str, Part]:
    """Few background events of large weight, as W + jets among Z."""
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, events)
    x = rng.normal(size=(events, 6)) + 0.4 * y[:, np.newaxis]
    weight = np.where((y == 0) & (rng.random(events) < 0.15), 50.0, 1.0)
    part = rng.choice(2, events)
    mine = part == 0
    model.fit(x[mine], y[mine], sample_weight=weight[mine] / weight[mine].mean())
    scores = model.predict_proba(x)[:, 1:].astype(np.float32)
    return {n: Part(y[part == i], scores[part == i], weight[part == i]) for i, n in enumerate(("train", "test"))}


def test_large_trees_on_few_heavy_events_are_overtrained() -> None:
    sentence = overtraining(evaluate("binary", ["Z", "H"], trained(HistGradientBoostingClassifier()), replicas=5))
    assert sentence is not None
    assert "weighted AUC 0.9" in sentence
    assert "on training events, 0." in sentence
    assert "KS p = " in sentence
    assert "simpler model" in sentence


def test_a_straight_line_is_not() -> None:
    assert overtraining(evaluate("binary", ["Z", "H"], trained(LogisticRegression()), replicas=5)) is None


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(["binary", "multiclass"]), st.integers(20, 2000))
def test_chance_is_not_called_overtraining(seed: int, task: Any, events: int) -> None:
    rng = np.random.default_rng(seed)
    classes = ["a", "b"] if task == "binary" else ["a", "b", "c"]

    def part() -> Part:
        y = rng.integers(0, len(classes), events)
        scores = rng.dirichlet(np.ones(len(classes)), events).astype(np.float32)
        return Part(y, scores[:, 1:] if task == "binary" else scores, rng.exponential(1.0, events))

    metrics = evaluate(task, classes, {"train": part(), "test": part()}, replicas=5)
    differences = [
        metrics["parts"]["train"][kind]["auc"] - metrics["parts"]["test"][kind]["auc"]
        for kind in ("weighted", "unweighted")
    ]
    smallest = min(test["p_value"] for test in metrics["ks"].values())
    if max(differences) < 0.01 and smallest > 0.001:
        assert overtraining(metrics) is None
    if smallest > 1e-3 and task == "multiclass":
        assert overtraining(metrics) is None


def test_residuals_of_a_regression() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=2000).astype(np.float32)

    def part(width: float) -> Part:
        return Part(y, (y + rng.normal(0, width, 2000)).astype(np.float32)[:, None], np.ones(2000))

    assert overtraining(evaluate("regression", [], {"train": part(0.5), "test": part(0.5)})) is None
    sentence = overtraining(evaluate("regression", [], {"train": part(0.1), "test": part(0.5)}))
    assert sentence is not None
    assert sentence.startswith("residuals differ between training and test")


@pytest.mark.parametrize("names", [("data",), ("train",)])
def test_nothing_to_compare(names: tuple[str, ...]) -> None:
    parts = trained(LogisticRegression())
    metrics = evaluate("binary", ["Z", "H"], dict.fromkeys(names, parts["train"]), replicas=5, ams_threshold=0.5)
    assert overtraining(metrics) is None
