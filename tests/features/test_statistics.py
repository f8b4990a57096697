"""Statistics against numpy and Python's fractions; merging never changes a bit."""

from __future__ import annotations

import contextlib
import math
import threading
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlaas4hep.features.statistics.branch import Lengths, ValueStatistics

NONE = np.array([], dtype=np.float32)
FLOATS = hnp.arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32))


DOUBLES = hnp.arrays(np.float64, st.integers(0, 60), elements=st.floats())
INTEGERS = st.sampled_from(["?", "i1", "u1", "i4", "u4", "i8", "u8"]).flatmap(
    lambda dtype: hnp.arrays(np.dtype(dtype), st.integers(0, 40))
)


def figures(stats: ValueStatistics) -> tuple[object, ...]:
    return (
        stats.count,
        stats.missing,
        stats.infinite,
        stats.low,
        stats.high,
        repr(stats.mean),
        repr(stats.std),
        tuple(repr(stats.stored.quantile(q)) for q in (0.0, 0.16, 0.5, 0.84, 1.0)),
        repr((stats.stored.low, stats.stored.high, stats.stored.mean, stats.stored.std)),
    )


@given(FLOATS | DOUBLES)
def test_exact_moments(values: np.ndarray) -> None:
    everything = ValueStatistics.of(values, NONE)
    stats = everything.stored
    real = values[np.isfinite(values)]
    assert everything.count == len(values)
    assert everything.missing == int(np.isnan(values).sum())
    assert everything.infinite == int(np.isinf(values).sum())
    assert stats.count == len(real)
    with np.errstate(over="ignore"):
        as_float32 = real.astype(np.float32)
    assert everything.real == int(np.isfinite(as_float32).sum())
    assert stats.rounded == int((as_float32 != real).sum())
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
    with contextlib.suppress(OverflowError):
        if variance == 0 or float(variance) > 1e-290:
            assert stats.std == math.sqrt(float(variance))
            return
    assert (Fraction(stats.std) ** 2 / variance - 1) ** 2 < 1e-20 or stats.std < 1e-300


@given(INTEGERS, st.integers(0, 40))
def test_extremes_are_what_is_stored(values: np.ndarray, cut: int) -> None:
    """Integers stay integers, beyond 2^53 too; a double keeps all its digits."""
    found = ValueStatistics.of(values[:cut], NONE) + ValueStatistics.of(values[cut:], NONE)
    numbers = [int(value) for value in values]
    if not numbers:
        assert (found.low, found.high) == (math.inf, -math.inf)
        return
    assert (found.low, found.high) == (min(numbers), max(numbers))
    assert type(found.low) is type(found.high) is int
    assert found.mean == pytest.approx(float(Fraction(sum(numbers), len(numbers))), rel=1e-12, abs=1e-9)


def test_a_value_that_is_an_integer_here_and_a_double_there() -> None:
    parts = [ValueStatistics.of(np.array([3, 7]), NONE), ValueStatistics.of(np.array([3.0, 2.5, 7.0]), NONE)]
    for a, b in (parts, parts[::-1]):
        assert repr([(a + b).low, (a + b).high]) == "[2.5, 7]"


def test_beyond_float32_is_a_number_but_not_a_feature() -> None:
    values = np.array([1e300, 2.0, -1e39, math.inf, 1e-300])
    found = ValueStatistics.of(values, NONE)
    assert (found.infinite, found.real, found.low, found.high) == (1, 2, 1e-300, 2.0)
    assert (found.stored.low, found.stored.high, found.stored.count) == (-1e39, 1e300, 4)
    assert found.stored.mean == float(sum(map(Fraction, (1e300, 2.0, -1e39, 1e-300))) / 4)
    assert found.stored.quantile(1.0) == 1e300


@given(FLOATS | DOUBLES, st.lists(st.integers(0, 60), max_size=4), st.randoms())
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


def test_large_values_do_not_lose_their_spread() -> None:
    values = np.array([1e9, 1e9 + 64, 1e9 + 128], dtype=np.float32)
    stats = ValueStatistics.of(values, NONE)
    assert stats.std == pytest.approx(np.std(values.astype(np.float64)), rel=1e-15)


def test_values_that_mean_missing() -> None:
    stats = ValueStatistics.of(np.array([-999, 1, 3, -999], dtype=np.int32), np.array([-999.0], dtype=np.float32))
    assert (stats.missing, stats.real, stats.low, stats.high, stats.mean) == (2, 2, 1.0, 3.0, 2.0)


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


SPECIAL = st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e-45, -1e-40, 3.4e38, -3.4e38, -999.0, 1.0])
HARD = hnp.arrays(np.float32, st.integers(0, 60), elements=SPECIAL | st.floats(width=32))
SENTINELS = np.array([-999.0, 0.0, math.nan])


def inside(stats: ValueStatistics) -> dict[str, object]:
    sketch = stats.features.sketch
    return {
        "count": (stats.count, stats.missing, stats.infinite, stats.real, stats.features.rounded),
        "range": repr((stats.low, stats.high)),
        "sketch": (sketch.level, sketch.first.tolist(), sketch.counts.tolist(), sketch.single.tolist()),
        "sums": (stats.features.moments.total(), stats.features.moments.squares()),
        "large": None if stats.large is None else (stats.large.count, stats.large.low, stats.large.high),
    }


def by_numpy(values: np.ndarray, missing: np.ndarray) -> dict[str, object]:
    """The same facts from sorted numbers and whole numbers of Python: nothing is summed in floating point."""
    absent = np.isnan(values) | np.isin(values, missing[~np.isnan(missing)])
    infinite = np.isinf(values) & ~absent
    real = values[~absent & ~infinite].astype(np.float64) + 0.0
    exact = [Fraction(value) for value in real.tolist()]
    distinct, counts = np.unique(real, return_counts=True)
    return {
        "count": (len(values), int(absent.sum()), int(infinite.sum()), len(real), 0),
        "range": repr((float(real.min()), float(real.max())) if len(real) else (math.inf, -math.inf)),
        "sketch": (0, *([f.tolist() for f in (_keys(distinct), counts)]), [True] * len(distinct)),
        "sums": (sum(exact, Fraction(0)), sum((value * value for value in exact), Fraction(0))),
        "large": None,
    }


def _keys(values: np.ndarray) -> np.ndarray:
    bits = values.view(np.int64)
    return np.where(bits >= 0, bits, bits ^ np.int64(2**63 - 1))


@given(HARD, st.sampled_from([0, 1, 2, 3]))
def test_everything_is_what_numpy_finds(values: np.ndarray, sentinels: int) -> None:
    stats = ValueStatistics.of(values, SENTINELS[:sentinels])
    assert inside(stats) == by_numpy(values, SENTINELS[:sentinels])


@given(HARD | DOUBLES, HARD | INTEGERS, HARD | DOUBLES)
def test_laws_of_merging(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    x, y, z = (ValueStatistics.of(values, SENTINELS[:1]) for values in (a, b, c))
    assert inside((x + y) + z) == inside(x + (y + z)) == inside(z + (y + x))
    if a.dtype == b.dtype == c.dtype:
        assert inside((x + y) + z) == inside(ValueStatistics.of(np.concatenate([a, b, c]), SENTINELS[:1]))
    nothing = ValueStatistics.of(NONE, NONE)
    assert inside(x + nothing) == inside(nothing + x) == inside(x)


@given(HARD, st.lists(st.integers(0, 60), max_size=8))
def test_ranges_of_values(values: np.ndarray, edges: list[int]) -> None:
    cut = sorted(min(edge, len(values)) for edge in edges[: len(edges) // 2 * 2])
    ranges = np.array(cut, dtype=np.int64).reshape(-1, 2)
    found = ValueStatistics.of(values, NONE, ranges)
    chosen = np.concatenate([NONE, *(values[a:b] for a, b in ranges)])
    assert inside(found) == by_numpy(chosen, NONE)


@pytest.mark.parametrize("ranges", [[[0, 4]], [[-1, 2]], [[2, 1]], [[0, 1], [3, 9]], [[2**62, 2**62 + 1]]])
def test_ranges_that_are_not_there(ranges: list[list[int]]) -> None:
    with pytest.raises(IndexError, match="a range of values reaches beyond the 3 there are"):
        ValueStatistics.of(np.zeros(3), NONE, np.array(ranges))
    assert inside(ValueStatistics.of(np.ones(1), NONE)) == by_numpy(np.ones(1, np.float32), NONE)


def test_threads_do_not_share_their_tables() -> None:
    values = np.random.default_rng(0).normal(size=(8, 20_000)).astype(np.float32)
    found: dict[int, ValueStatistics] = {}

    def work(number: int) -> None:
        for _ in range(20):
            found[number] = ValueStatistics.of(values[number], NONE)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(values))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, stats in found.items():
        buckets, counts = np.unique(_keys(values[number].astype(np.float64)) >> 44, return_counts=True)
        assert (stats.features.sketch.first >> 44).tolist() == buckets.tolist()
        assert stats.features.sketch.counts.tolist() == counts.tolist()


@pytest.mark.parametrize(
    "numbers", [[], [0], [3, 3, 1], [5000, 2, 5000], [1023, 1024], [1023, 0, 1023, 1023, 1023, 1023], [2**40, 0, 2**40]]
)
def test_lengths_of_any_size(numbers: list[int]) -> None:
    found = Lengths.of(np.array(numbers, dtype=np.int64))
    assert found.lengths.tolist() == sorted(set(numbers))
    assert found.counts.tolist() == [numbers.count(n) for n in sorted(set(numbers))]
    assert Lengths.of(np.array(numbers, dtype=np.int64)[::-1]).counts.tolist() == found.counts.tolist()
