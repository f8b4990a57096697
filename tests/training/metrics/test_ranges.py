"""Figures stay in their range, or say why they are not shown."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.training.judging.summary import render_summary
from mlaas4hep.training.metrics import Part, evaluate
from mlaas4hep.training.metrics.ranges import outside, within

LIMITS = {
    **dict.fromkeys(("auc", "accuracy", "purity", "efficiency", "f1", "distance", "p_value"), (0.0, 1.0)),
    **dict.fromkeys(("loss", "mse", "mae", "rmse", "resolution", "value", "error", "chosen_value"), (0.0, math.inf)),
    "r2": (-math.inf, 1.0),
}


def figures(block: Any, name: str = "") -> list[tuple[str, float]]:
    """All numbers of a block with the key that they stand under."""
    if isinstance(block, dict):
        return [pair for key, value in block.items() for pair in figures(value, key)]
    return [(name, block)] if isinstance(block, float) else []


def negative(share: float, seed: int, classes: int = 2, events: int = 400) -> Part:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, events)
    scores = rng.dirichlet(np.ones(classes), events).astype(np.float32)
    weight = np.where(rng.random(events) < share, -1.0, 1.0) * rng.uniform(0.5, 1.5, events)
    return Part(y, scores[:, 1:] if classes == 2 else scores, weight)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["binary", "multiclass", "regression"]), st.floats(0.0, 0.6), st.integers(0, 1000))
def test_no_figure_leaves_its_range_whatever_the_weights(task: Any, share: float, seed: int) -> None:
    classes = {"binary": ["b", "s"], "multiclass": ["a", "b", "c"], "regression": []}[task]
    parts = {n: negative(share, seed + i, len(classes) or 2) for i, n in enumerate(("train", "validation", "test"))}
    if task == "regression":
        parts = {n: Part(p.y.astype(np.float32), p.scores, p.weight) for n, p in parts.items()}
    metrics = evaluate(task, classes, parts, replicas=5)
    for name, value in figures(metrics):
        low, high = LIMITS.get(name, (-math.inf, math.inf))
        assert low <= value <= high, name


def test_auc_beyond_1_is_not_shown_but_the_reason_is() -> None:
    y = np.array([1, 1, 1, 0, 0, 0])
    scores = np.array([0.9, 0.8, 0.1, 0.7, 0.3, 0.2], dtype=np.float32)[:, None]
    part = Part(y, scores, np.array([1.0, 1.0, -0.9, 1.0, 1.0, 1.0]))
    pairs = [(i, j) for i in range(3) for j in range(3, 6)]
    total = sum(part.weight[i] * part.weight[j] for i, j in pairs)
    auc = sum(part.weight[i] * part.weight[j] * (scores[i, 0] > scores[j, 0]) for i, j in pairs) / total
    assert auc > 1.0
    metrics = evaluate("binary", ["b", "s"], {"test": part}, ams_threshold=0.5, replicas=5)
    assert metrics["parts"]["test"]["weighted"]["auc"] is None
    text = render_summary("m", metrics)
    assert f"{auc:.4g}, outside 0 to 1: too much of the weight is negative" in text
    assert not any(f"{auc:.4g}" in line for line in text.splitlines() if line.startswith("ROC AUC"))


def test_rounding_does_not_make_a_figure_undefined() -> None:
    assert within("auc", 1.0 + 1e-15) == 1.0
    assert within("mse", -1e-15) == 0.0
    assert within("bias", -5.0) == -5.0
    assert outside("auc", 0.5) == outside("auc", math.nan) == ""
    assert outside("r2", 2.0).startswith("it came out as 2, above 1")


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_no_significance_from_raw_counts(weight: float) -> None:
    part = negative(0.0, 1)
    part = Part(part.y, part.scores, np.full(len(part), weight))
    metrics = evaluate("binary", ["b", "s"], {"validation": part, "test": part}, replicas=5)
    assert ("ams" in metrics) == (weight != 1.0)
    assert ("AMS" in render_summary("m", metrics)) == (weight != 1.0)
    noted = [entry["reason"] for entry in metrics["undefined"] if entry["what"] == "ams"]
    assert bool(noted) == (weight == 1.0)
