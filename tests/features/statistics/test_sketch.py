"""Sketches: quantiles within the error they state, which follows the spread of the values; merging in any order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.features.statistics.branch import Real, ValueStatistics
from mlaas4hep.features.statistics.sketch import FEW_BUCKETS, MOST_BUCKETS, Sketch

NONE = np.empty(0)
QUANTILES = (0.0, 0.01, 0.16, 0.5, 0.84, 0.99, 1.0)

Sample = Callable[[np.random.Generator, int], np.ndarray]
SHAPES: dict[str, Sample] = {
    "normal far from zero": lambda rng, n: rng.normal(5000.0, 3.0, n),
    "normal far below zero": lambda rng, n: rng.normal(-5000.0, 3.0, n),
    "normal": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.exponential(50.0, n),
    "uniform": lambda rng, n: rng.uniform(-math.pi, math.pi, n),
    "times": lambda rng, n: 1.6e9 + rng.uniform(0.0, 40.0, n),
    "narrow with tails": lambda rng, n: np.where(rng.random(n) < 0.01, rng.uniform(0, 1e4, n), rng.normal(5000, 3, n)),
    "with a sentinel": lambda rng, n: np.where(rng.random(n) < 0.3, -999.0, rng.normal(91.2, 2.5, n)),
    "whole numbers": lambda rng, n: rng.integers(100_000, 200_000, n),
    "few whole numbers": lambda rng, n: rng.integers(-2, 3, n),
    "large whole numbers": lambda rng, n: 2**40 + rng.integers(0, 100_000, n),
    "small numbers": lambda rng, n: rng.normal(1e-30, 1e-33, n),
    "all magnitudes": lambda rng, n: 10.0 ** rng.uniform(-30, 30, n) * rng.choice([-1, 1], n),
    "constant": lambda _rng, n: np.full(n, 0.1),
}


def state(sketch: Sketch) -> tuple[object, ...]:
    return sketch.level, sketch.first.tolist(), sketch.counts.tolist(), sketch.single.tolist()


def statistics(values: np.ndarray) -> Real:
    return ValueStatistics.of(values, NONE).stored


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_quantiles_are_within_the_error_that_is_stated(shape: str, dtype: str) -> None:
    values = SHAPES[shape](np.random.default_rng(1), 60_000).astype(dtype).astype(np.float64)
    found = statistics(values)
    ordered = np.sort(values)
    for q in QUANTILES:
        rank = q * (len(values) - 1)
        low, high = ordered[math.floor(rank)], ordered[math.ceil(rank)]
        error = found.quantile_error(q)
        assert low - error <= found.quantile(q) <= high + error, q


WIDE = {"all magnitudes", "with a sentinel", "few whole numbers", "narrow with tails"}


@pytest.mark.parametrize("shape", [name for name in SHAPES if name not in WIDE])
def test_the_error_follows_the_spread_not_the_value(shape: str) -> None:
    values = SHAPES[shape](np.random.default_rng(2), 200_000).astype(np.float64)
    found = statistics(values)
    spread = float(np.quantile(values, 0.84) - np.quantile(values, 0.16))
    for q in (0.16, 0.5, 0.84):
        assert found.quantile_error(q) <= 0.05 * spread
        assert found.quantile(q) == pytest.approx(np.quantile(values, q), abs=0.005 * spread)


def test_few_different_values_are_exact() -> None:
    values = np.repeat([-999.0, -1.0, 0.0, 0.1, 4.0], [300, 100, 250, 50, 300])
    found = statistics(np.random.default_rng(0).permutation(values))
    for q in QUANTILES:
        assert found.quantile(q) == np.quantile(values, q, method="inverted_cdf") or q in {0.0, 1.0}
        assert found.quantile_error(q) == 0.0
    assert (found.quantile(0.0), found.quantile(1.0)) == (-999.0, 4.0)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(list(SHAPES)), min_size=2, max_size=4), st.integers(0, 9), st.sampled_from([700, 9000]))
def test_any_partition_in_any_order_gives_the_same_buckets(shapes: list[str], seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [SHAPES[name](rng, size).astype(np.float64) for name in shapes]
    whole = statistics(np.concatenate(parts))
    for order in itertools.islice(itertools.permutations(parts), 6):
        first, *others = map(statistics, order)
        for other in others:
            first += other
        assert state(first.sketch) == state(whole.sketch)
    mixed = rng.permutation(np.concatenate(parts))
    assert state(sum(map(statistics, np.array_split(mixed, 5)), statistics(NONE)).sketch) == state(whole.sketch)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(list(SHAPES)), min_size=1, max_size=3), st.integers(0, 9))
def test_buckets_are_as_fine_as_their_number_allows(shapes: list[str], seed: int) -> None:
    """The level is the lowest one with few enough buckets, by counting different keys."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([SHAPES[name](rng, 20_000).astype(np.float64) for name in shapes]) + 0.0
    bits = values.view(np.int64)
    keys = np.unique(np.where(bits >= 0, bits, bits ^ np.int64(2**63 - 1)))
    few = len(np.unique(keys >> 44)) <= FEW_BUCKETS
    level = next(n for n in range(45) if len(np.unique(keys >> n)) <= MOST_BUCKETS) if few else 44
    sketch = statistics(values).sketch
    assert sketch.level == level
    buckets, place, counts = np.unique(keys >> level, return_index=True, return_counts=True)
    assert (sketch.first >> level).tolist() == buckets.tolist()
    assert sketch.first.tolist() == keys[place].tolist()
    assert sketch.single.tolist() == (counts == 1).tolist()
    assert int(sketch.counts.sum()) == len(values)
