"""The whole block of metrics: what is in it, where it comes from, and that it is JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mlaas4hep.training.metrics import Part, ams, compare, evaluate


def part(events: int, seed: int, classes: int = 2) -> Part:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, events)
    scores = rng.dirichlet(np.ones(classes), events)
    scores[np.arange(events), y] += 0.3
    scores /= scores.sum(axis=1, keepdims=True)
    kept = scores[:, 1:] if classes == 2 else scores
    return Part(y, kept.astype(np.float32), rng.uniform(0.5, 2.0, events))


def split(classes: int = 2) -> dict[str, Part]:
    return {"train": part(300, 0, classes), "validation": part(120, 1, classes), "test": part(150, 2, classes)}


def as_json(metrics: dict[str, Any]) -> dict[str, Any]:
    again: dict[str, Any] = json.loads(json.dumps(metrics, allow_nan=False))
    return again


def test_binary() -> None:
    parts = split()
    metrics = evaluate("binary", ["bkg", "sig"], parts)
    assert as_json(metrics) == metrics
    assert metrics["undefined"] == []
    for name, block in metrics["parts"].items():
        p = parts[name]
        assert block["events"] == len(p)
        assert block["sum_of_weights"] == pytest.approx(p.weight.sum())
        assert block["classes"]["sig"] == {"events": int(p.y.sum()), "sum_of_weights": p.weight[p.y == 1].sum()}
        assert block["unweighted"]["auc"] == pytest.approx(roc_auc_score(p.y, p.scores))
        assert block["weighted"]["auc"] == pytest.approx(roc_auc_score(p.y, p.scores, sample_weight=p.weight))
        assert np.sum(block["unweighted"]["confusion"]) == len(p)
    test, train = parts["test"], parts["train"]
    for index, name in enumerate(["bkg", "sig"]):
        a, b = train.y == index, test.y == index
        expected = compare.ks_test(train.scores[a, 0], test.scores[b, 0], train.weight[a], test.weight[b])
        assert (metrics["ks"][name]["distance"], metrics["ks"][name]["p_value"]) == pytest.approx(expected)


def test_ams_is_chosen_on_validation_and_measured_on_test_scaled_to_all() -> None:
    parts = split()
    block = evaluate("binary", ["bkg", "sig"], parts)["ams"]
    totals = [sum(float(p.weight[p.y == k].sum()) for p in parts.values()) for k in (0, 1)]
    assert block["totals"] == pytest.approx(totals)
    validation, test = parts["validation"], parts["test"]
    scale = ams.class_scales(validation.y, validation.weight, totals)
    best, value = ams.best_threshold(validation.column(), scale=scale, minimum_background=ams.MINIMUM_BACKGROUND)
    assert block["minimum_background"] == 10
    assert (block["threshold"], block["chosen_value"]) == pytest.approx((best, value))
    keep = test.scores[:, 0] >= np.float32(best)
    sums = [float(test.weight[keep & (test.y == k)].sum() / test.weight[test.y == k].sum()) * totals[k] for k in (0, 1)]
    assert (block["background"], block["signal"]) == pytest.approx(sums)
    assert block["value"] == pytest.approx(float(ams.ams(sums[1], sums[0])))
    assert (block["chosen_on"], block["evaluated_on"], block["b_r"]) == ("validation", "test", 10.0)
    assert block["error"] > 0.0


def test_multiclass() -> None:
    parts = split(3)
    metrics = evaluate("multiclass", ["a", "b", "c"], parts)
    assert as_json(metrics) == metrics
    assert "ams" not in metrics
    block = metrics["parts"]["test"]["unweighted"]
    test = parts["test"]
    expected = [roc_auc_score(test.y == k, test.scores[:, k]) for k in range(3)]
    assert [block["auc_per_class"][name]["auc"] for name in "abc"] == pytest.approx(expected)
    assert block["auc"] == pytest.approx(np.mean(expected))
    assert list(metrics["ks"]) == ["a", "b", "c"]


def test_regression() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=100).astype(np.float32)
    one = Part(y, (y + 0.1).astype(np.float32)[:, None], np.ones(100))
    metrics = evaluate("regression", [], {"train": one, "test": one})
    assert as_json(metrics) == metrics
    assert metrics["parts"]["test"]["weighted"]["bias"] == pytest.approx(0.1, rel=1e-4)
    assert metrics["ks"] == {"residual": {"distance": 0.0, "p_value": 1.0}}


def test_other_files_with_a_given_threshold() -> None:
    data = part(200, 4)
    metrics = evaluate("binary", ["bkg", "sig"], {"data": data}, ams_threshold=0.6)
    assert (metrics["ams"]["chosen_on"], metrics["ams"]["evaluated_on"]) == ("given", "data")
    keep = data.scores[:, 0] >= 0.6
    sums = [data.weight[keep & (data.y == k)].sum() for k in (0, 1)]
    assert metrics["ams"]["value"] == pytest.approx(float(ams.ams(sums[1], sums[0])))
    assert "ks" not in metrics
    totals = evaluate("binary", ["bkg", "sig"], {"data": data}, ams_threshold=0.6, totals=[100.0, 5.0])["ams"]["totals"]
    assert totals == [100.0, 5.0]


def test_without_threshold_the_reason_is_given() -> None:
    metrics = evaluate("binary", ["bkg", "sig"], {"data": part(50, 4)})
    assert metrics["ams"]["value"] is None
    reasons = {entry["what"]: entry["reason"] for entry in metrics["undefined"]}
    assert "no threshold was given" in reasons["ams.threshold"]


def test_scores_that_are_not_finite_are_counted_and_left_out() -> None:
    data = part(50, 4)
    scores = data.scores.copy()
    scores[:3] = np.nan
    metrics = evaluate("binary", ["bkg", "sig"], {"data": Part(data.y, scores, data.weight)}, ams_threshold=0.5)
    assert metrics["parts"]["data"]["events"] == 50
    assert np.sum(metrics["parts"]["data"]["unweighted"]["confusion"]) == 47
    assert "no finite score for 3 of 50 events" in metrics["undefined"][0]["reason"]


def test_no_part() -> None:
    with pytest.raises(ValueError, match="there is no part to evaluate"):
        evaluate("binary", ["a", "b"], {})


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 6), st.integers(0, 999), st.booleans())
def test_few_events_and_negative_weights_are_still_json(events: int, seed: int, one_class: bool) -> None:
    data = part(events, seed)
    weight = np.random.default_rng(seed).normal(size=events)
    odd = Part(data.y * 0 if one_class else data.y, data.scores, weight)
    metrics = evaluate("binary", ["bkg", "sig"], {"train": odd, "validation": odd, "test": odd}, replicas=5)
    assert as_json(metrics) == metrics
    if one_class:
        named = {"parts.test.weighted.auc", "ams.value" if events else "ams"}
        assert named <= {entry["what"] for entry in metrics["undefined"]}
