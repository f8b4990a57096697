"""Statistics against numpy and Python's fractions; merging never changes a bit."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlaas4hep.features.statistics import QUANTILE_ERROR, Lengths, ValueStatistics

NONE = np.array([], dtype=np.float32)
FLOATS = hnp.arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32))


def figures(stats: ValueStatistics) -> tuple[object, ...]:
    return (
        stats.count,
        stats.missing,
        stats.infinite,
        stats.low,
        stats.high,
        repr(stats.mean),
        repr(stats.std),
        tuple(repr(stats.quantile(q)) for q in (0.0, 0.16, 0.5, 0.84, 1.0)),
    )


@given(FLOATS)
def test_exact_moments(values: np.ndarray) -> None:
    stats = ValueStatistics.of(values, NONE)
    real = values[np.isfinite(values)]
    assert stats.count == len(values)
    assert stats.missing == int(np.isnan(values).sum())
    assert stats.infinite == int(np.isinf(values).sum())
    assert stats.real == len(real)
    if not len(real):
        assert math.isnan(stats.mean)
        assert math.isnan(stats.std)
        assert math.isnan(stats.quantile(0.5))
        return
    assert stats.low == real.min()
    assert stats.high == real.max()
    exact = [Fraction(float(value)) for value in real]
    mean = sum(exact) / len(exact)
    assert stats.mean == float(mean)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    assert stats.std == math.sqrt(float(variance))


@given(FLOATS, st.lists(st.integers(0, 60), max_size=4), st.randoms())
def test_merging_in_any_order_gives_the_same_bits(values: np.ndarray, cuts: list[int], random: object) -> None:
    whole = ValueStatistics.of(values, NONE)
    edges = sorted({0, len(values), *(min(cut, len(values)) for cut in cuts)})
    parts = [ValueStatistics.of(values[a:b], NONE) for a, b in pairwise(edges)]
    if not parts:
        return
    random.shuffle(parts)  # type: ignore[attr-defined]
    merged = parts[0]
    for part in parts[1:]:
        merged += part
    assert figures(merged) == figures(whole)


@given(
    hnp.arrays(np.float32, st.integers(1, 200), elements=st.floats(-1e6, 1e6, width=32)),
    st.floats(0.0, 1.0),
)
def test_quantiles_within_the_stated_error(values: np.ndarray, q: float) -> None:
    found = ValueStatistics.of(values, NONE).quantile(q)
    ordered = np.sort(values.astype(np.float64))
    rank = q * (len(values) - 1)
    low, high = ordered[math.floor(rank)], ordered[math.ceil(rank)]
    slack = QUANTILE_ERROR * max(abs(low), abs(high)) + 1e-37
    assert low - slack <= found <= high + slack


def test_large_values_do_not_lose_their_spread() -> None:
    values = np.array([1e9, 1e9 + 64, 1e9 + 128], dtype=np.float32)
    stats = ValueStatistics.of(values, NONE)
    assert stats.std == pytest.approx(np.std(values.astype(np.float64)), rel=1e-15)


def test_values_that_mean_missing() -> None:
    stats = ValueStatistics.of(np.array([-999, 1, 3, -999], dtype=np.int32), np.array([-999.0], dtype=np.float32))
    assert (stats.missing, stats.real, stats.low, stats.high, stats.mean) == (2, 2, 1.0, 3.0, 2.0)


def test_integers_beyond_float32_count_as_infinite_only_if_they_are() -> None:
    stats = ValueStatistics.of(np.array([1e39, 2.0]), NONE)
    assert (stats.infinite, stats.real) == (1, 1)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.floats(0.01, 1.0), st.integers(0, 80))
def test_lengths(counts: list[int], q: float, cut: int) -> None:
    array = np.array(counts, dtype=np.int64)
    lengths = Lengths.of(array[:cut]) + Lengths.of(array[cut:])
    assert lengths.maximum == max(counts)
    enough = lengths.quantile(q)
    assert np.mean(array <= enough) >= q
    if enough > min(counts):
        assert np.mean(array <= enough - 1) < q


def test_lengths_of_nothing() -> None:
    empty = Lengths.of(np.array([], dtype=np.int64))
    assert (empty.maximum, empty.quantile(0.5)) == (0, 0)


def test_a_share_that_is_no_binary_number() -> None:
    lengths = Lengths.of(np.array([1] * 9 + [50], dtype=np.int64))
    assert (lengths.quantile(0.9), lengths.quantile(0.91), lengths.quantile(1.0)) == (1, 50, 50)
    assert Lengths.of(np.array([0, 0, 1, 1, 1])).quantile(0.4) == 0


def test_median_of_whole_numbers_is_not_nearly_zero() -> None:
    assert ValueStatistics.of(np.array([-1, 0, 0, 0, 1]), NONE).quantile(0.5) == 0.0
