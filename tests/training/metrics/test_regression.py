"""Regression figures against scikit-learn and numpy's quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn import metrics as sk

from mlaas4hep.training.metrics.regression import regression_metrics, weighted_quantile


@given(hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-100, 100)), st.floats(0, 1))
def test_quantile_with_equal_weights(values: NDArray[np.float64], q: float) -> None:
    expected = np.quantile(values, q, method="hazen")
    assert float(weighted_quantile(values, q)) == pytest.approx(expected, abs=1e-7)


def test_quantile_counts_a_weight_of_two_like_two_values() -> None:
    once = weighted_quantile([1.0, 2.0, 5.0], [0.25, 0.75], [1.0, 1.0, 2.0])
    assert once[0] == pytest.approx(1.0 + (0.25 - 0.125) / 0.25)
    assert once[1] == pytest.approx(5.0)


def test_against_sklearn() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(50, 10, 500).astype(np.float32)
    predicted = (y + rng.normal(1, 3, 500)).astype(np.float32)[:, None]
    weight = rng.uniform(0.2, 2, 500)
    figures = regression_metrics(y, predicted, weight)
    residual = predicted[:, 0].astype(np.float64) - y
    assert figures["mse"] == pytest.approx(sk.mean_squared_error(y, predicted, sample_weight=weight), rel=1e-5)
    assert figures["mae"] == pytest.approx(sk.mean_absolute_error(y, predicted, sample_weight=weight), rel=1e-5)
    assert figures["r2"] == pytest.approx(sk.r2_score(y, predicted, sample_weight=weight), rel=1e-5)
    assert figures["rmse"] == pytest.approx(np.sqrt(figures["mse"]))
    assert figures["bias"] == pytest.approx(np.average(residual, weights=weight))
    low, high = np.quantile(residual, [0.16, 0.84], method="hazen")
    assert regression_metrics(y, predicted)["resolution"] == pytest.approx((high - low) / 2)


def test_undefined_figures() -> None:
    assert all(np.isnan(value) for value in regression_metrics([1.0], [[2.0]], [0.0]).values())
    figures = regression_metrics([1.0, 1.0], [1.0, 3.0], [3.0, -1.0])
    assert figures["mse"] == pytest.approx(-2.0)
    assert np.isnan(figures["rmse"])
    assert np.isnan(figures["r2"])
