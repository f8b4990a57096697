"""AMS against the formula in plain Python and against loops over thresholds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlaas4hep.training.metrics import ams
from mlaas4hep.training.metrics.parts import Column

Sample = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]


def column(y: Any, score: Any, weight: Any = None) -> Column:
    score = np.asarray(score).reshape(-1)
    return Column.of(np.asarray(y), score, np.ones(len(score)) if weight is None else np.asarray(weight))


def formula(s: float, b: float, b_r: float = 10.0) -> float:
    return math.sqrt(2.0 * ((s + b + b_r) * math.log(1.0 + s / (b + b_r)) - s))


@pytest.fixture(scope="module")
def sample() -> Sample:
    rng = np.random.default_rng(11)
    y = (rng.random(400) < 0.4).astype(np.int64)
    score = np.round(rng.normal(0.4 + 0.2 * y, 0.15), 2).astype(np.float32)[:, None]
    return y, score, np.where(y == 1, 0.05, 1.5) * rng.uniform(0.5, 1.5, 400)


@given(st.floats(0.1, 1e4), st.floats(0.0, 1e5))
def test_formula(s: float, b: float) -> None:
    assert float(ams.ams(s, b)) == pytest.approx(formula(s, b), rel=1e-4, abs=1e-5)


def test_small_excess_is_s_over_sqrt_b() -> None:
    assert float(ams.ams(1.0, 1e6 - 10.0)) == pytest.approx(1e-3, rel=1e-3)


def test_undefined_where_a_sum_is_negative() -> None:
    values = ams.ams([1.0, 1.0, -1.0, 0.0, 1.0], [-0.1, -20.0, 5.0, 0.0, 2.0])
    np.testing.assert_array_equal(np.isnan(values), [True, True, True, False, False])
    assert np.isnan(ams.ams(1.0, 0.0, b_r=0.0))


def test_scan_against_a_loop(sample: Sample) -> None:
    y, score, weight = sample
    scale = (2.5, 3.5)
    thresholds, values = ams.scan(y, score, weight, scale=scale)
    assert np.all(np.diff(thresholds) > 0)
    for threshold, value in zip(thresholds, values, strict=True):
        keep = score[:, 0] >= np.float32(threshold)
        s, b = 3.5 * weight[keep & (y == 1)].sum(), 2.5 * weight[keep & (y == 0)].sum()
        assert value == pytest.approx(formula(s, b), rel=1e-9)
    best, value = ams.best_threshold(column(y, score, weight), scale=scale)
    assert value == values.max()
    assert np.array_equal(score[:, 0] >= best, score[:, 0] >= np.float32(thresholds[values.argmax()]))
    s, b = ams.selected_sums(y, score, weight, best, scale)
    assert float(ams.ams(s, b)) == pytest.approx(value)


def test_the_lowest_of_equal_thresholds() -> None:
    best, value = ams.best_threshold(column([1, 1, 0], [0.5, 0.9, 0.1], [0.0, 1.0, 1.0]))
    assert best == 0.3
    assert value == pytest.approx(formula(1.0, 0.0))


def test_no_threshold_without_events() -> None:
    assert all(math.isnan(value) for value in ams.best_threshold(column([], [], [])))
    assert all(math.isnan(value) for value in ams.best_threshold(column([0], [0.5], [-1.0])))


def test_scales(sample: Sample) -> None:
    y, _, weight = sample
    background, signal = ams.class_scales(y, weight, (1000.0, 20.0))
    assert background * weight[y == 0].sum() == pytest.approx(1000.0)
    assert signal * weight[y == 1].sum() == pytest.approx(20.0)
    assert math.isnan(ams.class_scales([0, 0], None, (1.0, 1.0))[1])


def test_bootstrap_error_is_repeatable_whatever_the_order(sample: Sample) -> None:
    y, score, weight = sample
    error = ams.bootstrap_error(column(y, score, weight), 0.5, seed=3)
    order = np.random.default_rng(0).permutation(len(y))
    assert ams.bootstrap_error(column(y[order], score[order], weight[order]), 0.5, seed=3) == error
    assert ams.bootstrap_error(column(y, score, weight), 0.5, seed=4) != error


def test_bootstrap_error_equals_replicas_event_by_event(sample: Sample) -> None:
    y, score, weight = sample
    keep = score[:, 0] >= 0.5
    rng = np.random.default_rng(8)
    values = []
    for _ in range(3000):
        times = rng.poisson(1.0, len(y)) * weight
        values.append(formula(40.0 * times[keep & (y == 1)].sum(), times[keep & (y == 0)].sum()))
    error = ams.bootstrap_error(column(y, score, weight), 0.5, scale=(1.0, 40.0), replicas=3000)
    assert error == pytest.approx(np.std(values), rel=0.06)


def test_bootstrap_error_of_nothing_selected() -> None:
    assert ams.bootstrap_error(column([0, 1], [0.1, 0.2], None), 0.9) == 0.0
    assert math.isnan(ams.bootstrap_error(column([0, 1], [0.1, 0.2], None), 0.9, scale=(math.nan, 1.0)))


def test_threshold_keeps_a_minimum_of_background() -> None:
    rng = np.random.default_rng(7)
    y = rng.integers(0, 2, 400)
    score = (rng.normal(size=400) + y).round(1)
    for minimum in (1, 10, 30):
        threshold, value = ams.best_threshold(column(y, score), minimum_background=minimum)
        allowed = [
            (float(ams.ams((y[score >= t] == 1).sum(), (y[score >= t] == 0).sum())), -t)
            for t in np.unique(score)
            if (y[score >= t] == 0).sum() >= minimum
        ]
        assert (value, -score[score >= threshold].min()) == pytest.approx(max(allowed))
    few = ams.best_threshold(column(y, score), minimum_background=1000)
    assert few == ams.best_threshold(column(y, score))
