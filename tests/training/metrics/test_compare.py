"""The Kolmogorov-Smirnov test against scipy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import special, stats  # type: ignore[import-untyped]

from mlaas4hep.training.metrics import compare

values = hnp.arrays(np.float64, st.integers(1, 40), elements=st.integers(0, 20).map(float))


@given(values, values)
def test_distance_equals_scipy(first: NDArray[np.float64], second: NDArray[np.float64]) -> None:
    distance, p_value = compare.ks_test(first, second)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of scipy, about its own p-value
        expected = stats.ks_2samp(first, second, method="asymp").statistic
    assert distance == pytest.approx(expected, abs=1e-12)
    n = len(first) * len(second) / (len(first) + len(second))
    assert p_value == pytest.approx(special.kolmogorov(expected * np.sqrt(n)), abs=1e-9)


@given(st.floats(0.0, 5.0))
def test_series(z: float) -> None:
    assert compare.kolmogorov(z) == pytest.approx(special.kolmogorov(z), abs=1e-10)


def test_whole_weights_count_like_repeated_values() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=50), rng.normal(0.3, 1.0, size=70)
    times = rng.integers(1, 4, 50)
    distance = compare.ks_distance(first, second, times.astype(np.float64))
    assert distance == pytest.approx(stats.ks_2samp(np.repeat(first, times), second).statistic)


def test_equal_weights_change_nothing() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=50), rng.normal(size=70)
    plain = compare.ks_test(first, second)
    assert compare.ks_test(first, second, np.full(50, 0.01), np.full(70, 7.0)) == pytest.approx(plain)


def test_effective_number() -> None:
    assert compare.effective_number([2.0] * 8) == pytest.approx(8.0)
    assert compare.effective_number([1.0, -1.0, 1.0]) == pytest.approx(1.0 / 3.0)
    assert compare.effective_number([]) == 0.0


def test_undefined_without_weight() -> None:
    assert all(np.isnan(value) for value in compare.ks_test([1.0], [1.0], [-1.0], [1.0]))
    assert all(np.isnan(value) for value in compare.ks_test([], []))
