"""Figures of more events than are kept: close to those of every event, within what is stated, in flat memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.training.metrics import evaluate
from mlaas4hep.training.metrics.gather import Gatherer
from mlaas4hep.training.metrics.groups import Groups

NAMES = ("train", "validation", "test")
CLASSES = {"binary": ["b", "s"], "multiclass": ["a", "b", "c"], "regression": []}


def events(task: Any, number: int, seed: int = 0, kind: str = "smooth") -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    part = rng.choice(3, number, p=(0.6, 0.2, 0.2)).astype(np.int8)
    weight = rng.uniform(0.5, 1.5, number)
    y: Any
    if task == "regression":
        y = rng.normal(511000.0, 2.0, number).astype(np.float32)
        return y, (y + rng.normal(0.1, 0.5, number)).astype(np.float32)[:, None], weight, part
    classes = len(CLASSES[task])
    y = rng.integers(0, classes, number)
    logits = rng.normal(size=(number, classes)) * 1.5
    logits[np.arange(number), y] += 1.5
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if kind == "coarse":
        scores = scores.round(2)
    if kind == "decision":
        scores = logits
    return y, (scores[:, 1:] if classes == 2 else scores).astype(np.float32), weight * (1 + 9 * y), part


def metrics_of(task: Any, sample: tuple[Any, Any, Any, Any], exact: int, block: int = 5000) -> dict[str, Any]:
    y, scores, weight, part = sample
    gatherer = Gatherer(task, len(CLASSES[task]), NAMES, threshold=0.4, exact=exact)
    for start in range(0, len(y), block):
        some = slice(start, start + block)
        gatherer.add(y[some], scores[some], weight[some], part[some])
    return evaluate(task, CLASSES[task], gatherer.parts(), threshold=0.4, replicas=300)


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many events for each group as a training of tens of millions has."""
    monkeypatch.setattr("mlaas4hep.training.metrics.gather._GROUPS", 4096)
    monkeypatch.setattr("mlaas4hep.training.metrics.groups._BUFFER", 10_000)


@pytest.mark.parametrize("kind", ["smooth", "coarse", "decision"])
def test_binary_figures_of_groups_are_those_of_events(kind: str) -> None:
    sample = events("binary", 120_000, kind=kind)
    exact, grouped = (metrics_of("binary", sample, limit) for limit in (10**9, 1000))
    for name in NAMES:
        one, two = exact["parts"][name], grouped["parts"][name]
        assert two["groups"]["number"] < 8192
        for weighted in ("unweighted", "weighted"):
            a, b = one[weighted], two[weighted]
            assert b["auc_grouping"] < 2e-3
            assert abs(a["auc"] - b["auc"]) <= b["auc_grouping"] + 1e-12
            assert b["auc"] == pytest.approx(a["auc"], abs=2e-5)
            assert b["auc_error"] == pytest.approx(a["auc_error"], rel=1e-3)
            assert b["loss"] == pytest.approx(a["loss"], rel=1e-9)
            assert b["confusion"] == [pytest.approx(row) for row in a["confusion"]]
        assert two["classes"]["s"] == pytest.approx(one["classes"]["s"])
    for name in ("b", "s"):
        assert grouped["ks"][name]["distance"] == pytest.approx(exact["ks"][name]["distance"], abs=1e-3)
    a, b = exact["ams"], grouped["ams"]
    assert b["value"] == pytest.approx(a["value"], rel=0.03)
    assert b["chosen_value"] == pytest.approx(a["chosen_value"], rel=0.01)
    assert b["error"] == pytest.approx(a["error"], rel=0.3)
    y, scores, weight, part = sample
    chosen = (part == 2) & (scores[:, 0] >= b["threshold"])
    scale = b["totals"][1] / weight[(part == 2) & (y == 1)].sum()
    assert b["signal"] == pytest.approx(weight[chosen & (y == 1)].sum() * scale)


def test_multiclass_and_regression() -> None:
    sample = events("multiclass", 60_000)
    exact, grouped = (metrics_of("multiclass", sample, limit)["parts"]["test"] for limit in (10**9, 1000))
    for kind in ("unweighted", "weighted"):
        a, b = exact[kind], grouped[kind]
        assert (b["loss"], b["accuracy"]) == pytest.approx((a["loss"], a["accuracy"]))
        for name in CLASSES["multiclass"]:
            assert b["auc_per_class"][name]["auc"] == pytest.approx(a["auc_per_class"][name]["auc"], abs=1e-4)
    sample = events("regression", 60_000)
    exact, grouped = (metrics_of("regression", sample, limit) for limit in (10**9, 1000))
    for kind in ("unweighted", "weighted"):
        a, b = (found["parts"]["test"][kind] for found in (exact, grouped))
        assert {key: b[key] for key in a} == pytest.approx(a, rel=2e-3)
    a, b = (found["ks"]["residual"]["distance"] for found in (exact, grouped))
    assert b == pytest.approx(a, abs=2e-3)


def test_events_without_a_finite_score_are_counted_in_groups_too() -> None:
    y, scores, weight, part = events("binary", 20_000)
    scores[::100] = np.nan
    metrics = metrics_of("binary", (y, scores, weight, part), 1000)
    lost = int((part[::100] == 2).sum())
    reasons = {entry["what"]: entry["reason"] for entry in metrics["undefined"]}
    assert f"for {lost} of {int((part == 2).sum())} events" in reasons["parts.test"]
    assert np.sum(metrics["parts"]["test"]["unweighted"]["confusion"]) == (part == 2).sum() - lost


def test_up_to_the_limit_every_event_counts() -> None:
    sample = events("binary", 3000)
    assert "groups" not in metrics_of("binary", sample, 3000)["parts"]["test"]
    assert "groups" in metrics_of("binary", sample, 2999)["parts"]["test"]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([64, 256, 1024]), st.floats(0.01, 0.99))
def test_groups_never_overlap_never_cross_a_cut_and_lose_nothing(seed: int, most: int, cut: float) -> None:
    rng = np.random.default_rng(seed)
    groups = Groups(2, (0, 1), most, (cut,))
    values, kinds, weights = [], [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlaas4hep.training.metrics.groups._BUFFER", 500)
        for _ in range(20):
            values.append(rng.beta(0.5, 0.5, 300).astype(np.float32).astype(np.float64))
            kinds.append(rng.integers(0, 2, 300))
            weights.append(rng.normal(1.0, 1.0, 300))
            groups.add(values[-1], kinds[-1], weights[-1])
        groups.close()
    value, kind, weight = np.concatenate(values), np.concatenate(kinds), np.concatenate(weights)
    assert len(groups.low) <= most
    assert (groups.high >= groups.low).all()
    assert (groups.low[1:] > groups.high[:-1]).all()
    assert not ((groups.low < cut) & (groups.high >= cut)).any()
    place = np.searchsorted(groups.low, value, side="right") - 1
    assert (value <= groups.high[place]).all()
    for index in (0, 1):
        mine = kind == index
        for what, content in enumerate((np.ones(len(weight)), weight, weight**2)):
            found = np.bincount(place[mine], content[mine], minlength=len(groups.low))
            assert groups.sums[:, what, index] == pytest.approx(found)


def test_memory_does_not_grow_with_the_events() -> None:
    gatherer = Gatherer("binary", 2, NAMES, exact=1000)
    sizes = []
    for turn in range(30):
        gatherer.add(*events("binary", 10_000, seed=turn))
        sizes.append(len(gatherer._groups[0].low))
    assert max(sizes) <= 4096
    assert len(gatherer.parts()["train"].rows) <= 50_000
