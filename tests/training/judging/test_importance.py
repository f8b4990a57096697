"""Permutation importance: branches that matter, lists that stay whole, repeatability."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.training.judging.importance import affordable, permutation_importance
from mlaas4hep.training.metrics.curves import roc_auc

Floats32 = NDArray[np.float32]


def branch(name: str, length: int = 1) -> FeatureBranch:
    return FeatureBranch(name, "flat" if length == 1 else "jagged", length, 0.0, 1.0, 0.0, -1.0)


LAYOUT = Layout((branch("noise"), branch("jets", 2), branch("good")))


@pytest.fixture(scope="module")
def events() -> tuple[Floats32, NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 600)
    raw = rng.normal(size=(600, 4)).astype(np.float32)
    raw[:, 3] += 2.0 * y
    return raw, y, rng.uniform(0.5, 1.5, 600)


def score(raw: Floats32) -> Floats32:
    return (1.0 / (1.0 + np.exp(-raw[:, 3:4]))).astype(np.float32)


def test_drop_in_auc(events: tuple[Floats32, NDArray[np.int64], NDArray[np.float64]]) -> None:
    raw, y, weight = events
    before = raw.copy()
    rows = permutation_importance(score, raw, y, weight, LAYOUT, "binary", repeats=4, seed=1)
    np.testing.assert_array_equal(raw, before)
    assert [row["branch"] for row in rows] == ["good", "noise", "jets"]
    assert rows[1] == {"branch": "noise", "importance": 0.0, "error": 0.0}
    base = roc_auc(y, score(raw), weight)
    drops = []
    for repeat in range(4):
        order = np.random.default_rng([1, 2, repeat]).permutation(600)
        drops.append(base - roc_auc(y, score(raw[order]), weight))
    assert rows[0]["importance"] == pytest.approx(np.mean(drops))
    assert rows[0]["error"] == pytest.approx(np.std(drops, ddof=1))
    assert permutation_importance(score, raw, y, weight, LAYOUT, "binary", repeats=4, seed=1) == rows


def test_columns_of_a_branch_stay_together() -> None:
    raw = np.arange(40, dtype=np.float32).reshape(10, 4)
    seen: list[Floats32] = []

    def watch(columns: Floats32) -> Floats32:
        seen.append(columns.copy())
        return np.linspace(0, 1, 10, dtype=np.float32)[:, None]

    y = np.array([0, 1] * 5)
    permutation_importance(watch, raw, y, np.ones(10), LAYOUT, "binary", repeats=2)
    assert len(seen) == 1 + 3 * 2
    jets = seen[3]
    np.testing.assert_array_equal(jets[:, 2] - jets[:, 1], np.ones(10))
    np.testing.assert_array_equal(jets[:, [0, 3]], raw[:, [0, 3]])
    assert not np.array_equal(jets[:, 1], raw[:, 1])


def test_rise_in_loss_for_other_tasks() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(300, 4)).astype(np.float32)
    target = raw[:, 3].copy()
    rows = permutation_importance(lambda x: x[:, 3:4], raw, target, np.ones(300), LAYOUT, "regression", repeats=1)
    assert rows[0]["branch"] == "good"
    assert rows[0]["importance"] == pytest.approx(2.0 * target.var(), rel=0.3)
    assert rows[0]["error"] is None

    def softmax(x: Floats32) -> Floats32:
        powers = np.exp(np.stack([x[:, 3], -x[:, 3], 0 * x[:, 3]], axis=1))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)

    y = softmax(raw).argmax(axis=1)
    rows = permutation_importance(softmax, raw, y, np.ones(300), LAYOUT, "multiclass")
    assert rows[0]["branch"] == "good"
    assert rows[0]["importance"] > 0.1


def test_undefined_is_none() -> None:
    raw = np.zeros((3, 4), dtype=np.float32)
    rows = permutation_importance(score, raw, np.ones(3, dtype=np.int64), np.ones(3), LAYOUT, "binary")
    assert all(row["importance"] is None for row in rows)
    rows = permutation_importance(score, raw[:0], np.zeros(0, dtype=np.int64), np.zeros(0), LAYOUT, "binary")
    assert [row["branch"] for row in rows] == ["noise", "jets", "good"]


def test_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"columns have shape \(3, 2\), must be \(3, 4\)"):
        permutation_importance(
            score, np.zeros((3, 2), dtype=np.float32), np.zeros(3, dtype=np.int64), np.ones(3), LAYOUT, "binary"
        )


def test_the_mask_of_a_branch_moves_with_it() -> None:
    layout = Layout((branch("noise"), branch("jets", 2)), mask=True)
    x = np.arange(60, dtype=np.float32).reshape(10, 6)
    seen: list[Floats32] = []

    def watch(columns: Floats32) -> Floats32:
        seen.append(columns.copy())
        return np.linspace(0, 1, 10, dtype=np.float32)[:, None]

    permutation_importance(watch, x, np.array([0, 1] * 5), np.ones(10), layout, "binary", repeats=1)
    noise, jets = seen[1:]
    np.testing.assert_array_equal(noise[:, 3] - noise[:, 0], np.full(10, 3))
    np.testing.assert_array_equal(noise[:, [1, 2, 4, 5]], x[:, [1, 2, 4, 5]])
    np.testing.assert_array_equal(jets[:, [2, 4, 5]] - jets[:, [1]], np.tile([1.0, 3.0, 4.0], (10, 1)))
    np.testing.assert_array_equal(jets[:, [0, 3]], x[:, [0, 3]])
    assert not np.array_equal(jets[:, 1], x[:, 1])


def test_of_very_many_branches_those_that_matter_are_found_within_bounded_work() -> None:
    rng = np.random.default_rng(3)
    layout = Layout(tuple(branch(f"b{i}") for i in range(1000)))
    x = rng.normal(size=(300, 1000)).astype(np.float32)
    weights = np.zeros(1000, dtype=np.float32)
    weights[[17, 500, 999]] = 2.0, 1.0, 1.5
    y = (x @ weights > 0).astype(np.int64)
    calls, told = 0, 0

    def score(columns: Floats32) -> Floats32:
        nonlocal calls
        calls += 1
        return np.asarray(1.0 / (1.0 + np.exp(-columns @ weights)), dtype=np.float32)[:, None]

    def advance(units: int, _text: str) -> None:
        nonlocal told
        told += units

    rows = permutation_importance(score, x, y, np.ones(300), layout, "binary", most=40, advance=advance)
    assert [row["branch"] for row in rows[:3]] == ["b17", "b999", "b500"]
    assert len(rows) == told == 40
    assert calls <= 1 + 40 + 3 * 40 + 3 * 40
    whole = permutation_importance(score, x, y, np.ones(300), layout, "binary")
    assert whole[:3] == rows[:3]


@given(st.integers(1, 6000), st.integers(1, 20), st.integers(1, 5000))
def test_the_work_of_importance_is_bounded(branches: int, length: int, rows: int) -> None:
    layout = Layout(tuple(branch(f"b{i}", length) for i in range(branches)))
    used, tried = affordable(rows, layout)
    assert 1 <= used <= rows
    assert 1 <= tried <= branches
    assert used * 3 * tried * layout.model_width <= 1.5e9 or tried == min(10, branches)
    if rows * 3 * branches * layout.model_width <= 1.5e9:
        assert (used, tried) == (rows, branches)
