"""Statistics against numpy and Python's fractions; merging never changes a bit."""

from __future__ import annotations

import math
import threading
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlaas4hep.features.statistics import QUANTILE_ERROR, Lengths, Sketch, ValueStatistics
from mlaas4hep.features.sweep import MOST_VALUES, pieces, sweep

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


SPECIAL = st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e-45, -1e-40, 3.4e38, -3.4e38, -999.0, 1.0])
HARD = hnp.arrays(np.float32, st.integers(0, 60), elements=SPECIAL | st.floats(width=32))
SENTINELS = np.array([-999.0, 0.0, math.nan], dtype=np.float32)
NORMAL = np.float32(1.1754944e-38)


def by_numpy(values: np.ndarray, missing: np.ndarray) -> dict[str, object]:
    """The same facts from sorted numbers and whole numbers of Python: nothing is summed in floating point."""
    absent = np.isnan(values) | np.isin(values, missing[~np.isnan(missing)])
    infinite = np.isinf(values) & ~absent
    real = values[~absent & ~infinite] + np.float32(0.0)
    buckets, counts = np.unique(real.view(np.uint32) >> 15, return_counts=True)
    sums = [[0] * 256 for _ in range(2)]
    for value in real.tolist():
        fraction, exponent = math.frexp(value)
        field = exponent + 126 if abs(value) >= NORMAL else 1
        mantissa = int(math.ldexp(fraction, exponent - field + 150))
        assert mantissa * Fraction(2) ** (field - 150) == Fraction(value)
        sums[0][field] += mantissa
        sums[1][field] += mantissa**2
    return {
        "missing": int(absent.sum()),
        "infinite": int(infinite.sum()),
        "low": repr(float(real.min())) if len(real) else "inf",
        "high": repr(float(real.max())) if len(real) else "-inf",
        "sketch": (buckets.tolist(), counts.tolist()),
        "sums": (sums[0], [n >> 24 for n in sums[1]], [n % 2**24 for n in sums[1]]),
    }


def inside(stats: ValueStatistics) -> dict[str, object]:
    return {
        "missing": stats.missing,
        "infinite": stats.infinite,
        "low": repr(stats.low),
        "high": repr(stats.high),
        "sketch": (stats.sketch.keys.tolist(), stats.sketch.counts.tolist()),
        "sums": tuple(stats.moments.sums.tolist()),
    }


@given(HARD, st.sampled_from([0, 1, 2, 3]))
def test_everything_is_what_numpy_finds(values: np.ndarray, sentinels: int) -> None:
    stats = ValueStatistics.of(values, SENTINELS[:sentinels])
    assert stats.count == len(values)
    assert inside(stats) == by_numpy(values, SENTINELS[:sentinels])


@given(HARD, HARD, HARD)
def test_laws_of_merging(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    x, y, z = (ValueStatistics.of(values, SENTINELS[:1]) for values in (a, b, c))
    whole = inside(ValueStatistics.of(np.concatenate([a, b, c]), SENTINELS[:1]))
    assert inside((x + y) + z) == inside(x + (y + z)) == inside(z + (x + y)) == whole
    nothing = ValueStatistics.of(NONE, NONE)
    assert inside(x + nothing) == inside(nothing + x) == inside(x)


@given(HARD, st.lists(st.integers(0, 60), max_size=8))
def test_ranges_of_values(values: np.ndarray, edges: list[int]) -> None:
    cut = sorted(min(edge, len(values)) for edge in edges[: len(edges) // 2 * 2])
    ranges = np.array(cut, dtype=np.int64).reshape(-1, 2)
    found = ValueStatistics.of(values, NONE, ranges)
    chosen = np.concatenate([NONE, *(values[a:b] for a, b in ranges)])
    assert inside(found) == by_numpy(chosen, NONE)
    assert found.count == len(chosen)


@pytest.mark.parametrize("ranges", [[[0, 4]], [[-1, 2]], [[2, 1]], [[0, 1], [3, 9]], [[2**62, 2**62 + 1]]])
def test_ranges_that_are_not_there(ranges: list[list[int]]) -> None:
    with pytest.raises(IndexError, match="a range of values reaches beyond the 3 there are"):
        ValueStatistics.of(np.zeros(3), NONE, np.array(ranges))
    assert inside(ValueStatistics.of(np.ones(1), NONE)) == by_numpy(np.ones(1, np.float32), NONE)


def test_more_values_than_one_sweep_can_count() -> None:
    values = np.repeat(np.array([3.0, -1e-40, 16777215.0], dtype=np.float32), MOST_VALUES // 2)
    stats = ValueStatistics.of(values, NONE)
    assert stats.count == stats.real == len(values)
    assert sorted(stats.sketch.counts.tolist()) == [MOST_VALUES // 2] * 3
    exact = [Fraction(value) for value in values[:: MOST_VALUES // 2].tolist()]
    assert stats.moments.total() == sum(exact) * (MOST_VALUES // 2)
    assert stats.moments.squares() == sum(value * value for value in exact) * (MOST_VALUES // 2)
    with pytest.raises(IndexError, match="too many"):
        sweep(values, NONE, np.array([[0, MOST_VALUES + 1]]))


def test_pieces_cover_all_values_once() -> None:
    ranges = np.array([[5, 8], [10, 10 + 3 * MOST_VALUES], [4 * MOST_VALUES, 4 * MOST_VALUES + 9]])
    parts = pieces(ranges)
    assert all(0 < int(np.diff(part).sum()) <= MOST_VALUES for part in parts)
    flat = np.concatenate(parts)
    assert int(np.diff(flat).sum()) == int(np.diff(ranges).sum())
    assert (flat[1:, 0] >= flat[:-1, 1]).all()
    assert set(ranges.ravel().tolist()) <= set(flat.ravel().tolist())


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
        bucket, counts = np.unique(values[number].view(np.uint32) >> 15, return_counts=True)
        assert stats.sketch.keys.tolist() == bucket.tolist()
        assert stats.sketch.counts.tolist() == counts.tolist()


@given(st.dictionaries(st.integers(0, 40), st.integers(1, 9)), st.dictionaries(st.integers(0, 40), st.integers(1, 9)))
def test_merging_of_counts(first: dict[int, int], second: dict[int, int]) -> None:
    def sketch(table: dict[int, int]) -> Sketch:
        keys = sorted(table)
        return Sketch(np.array(keys, dtype=np.int64), np.array([table[k] for k in keys], dtype=np.int64))

    merged = sketch(first) + sketch(second)
    expected = {key: first.get(key, 0) + second.get(key, 0) for key in sorted({*first, *second})}
    assert dict(zip(merged.keys.tolist(), merged.counts.tolist(), strict=True)) == expected
    assert list(expected) == merged.keys.tolist()


@pytest.mark.parametrize(
    "numbers", [[], [0], [3, 3, 1], [5000, 2, 5000], [1023, 1024], [1023, 0, 1023, 1023, 1023, 1023], [2**40, 0, 2**40]]
)
def test_lengths_of_any_size(numbers: list[int]) -> None:
    found = Lengths.of(np.array(numbers, dtype=np.int64))
    assert found.lengths.tolist() == sorted(set(numbers))
    assert found.counts.tolist() == [numbers.count(n) for n in sorted(set(numbers))]
    assert Lengths.of(np.array(numbers, dtype=np.int64)[::-1]).counts.tolist() == found.counts.tolist()
