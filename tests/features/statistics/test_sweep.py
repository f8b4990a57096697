"""The sweep over float32 finds the same as the sweep over the same values as float64."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from mlaas4hep.features.statistics.branch import ValueStatistics
from mlaas4hep.features.statistics.sweep import Swept, sweep
from mlaas4hep.features.statistics.sweep_single import sweep_single

EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    -999.0,
    np.nan,
    np.inf,
    -np.inf,
    1e-45,
    -1e-45,
    1.1754944e-38,
    3.4028235e38,
    -3.4028235e38,
]
PATTERNS = hnp.arrays(np.uint32, st.integers(0, 80)).map(lambda words: words.view(np.float32))
NEAR = hnp.arrays(np.float32, st.integers(0, 80), elements=st.floats(4990, 5010, width=32))
SPECIAL = st.lists(st.sampled_from(EDGES), max_size=80).map(lambda numbers: np.array(numbers, dtype=np.float32))


def assert_same(found: Swept, wanted: Swept) -> None:
    for field in fields(Swept):
        if field.name != "exponent" or len(wanted.sums):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(wanted, field.name), field.name)


@given(values=st.one_of(PATTERNS, NEAR, SPECIAL), missing=st.lists(st.sampled_from([-999.0, 0.0, 5000.0, 0.1])))
def test_narrow_and_wide_values_are_swept_alike(values: NDArray[np.float32], missing: list[float]) -> None:
    absent, size = np.array(missing, dtype=np.float64), len(values)
    ranges = np.array([[0, size // 3], [size // 2, size]])
    with np.errstate(invalid="ignore"):  # a signalling NaN
        wide = values.astype(np.float64)
    assert_same(sweep(values, absent, ranges), sweep(wide, absent, ranges))


def test_many_values_of_one_bucket_do_not_overflow() -> None:
    values = np.full(1 << 22, -1.9999999, dtype=np.float32)
    none, ranges = np.array([], dtype=np.float64), np.array([[0, len(values)]])
    assert_same(sweep(values, none, ranges), sweep(values.astype(np.float64), none, ranges))


def test_more_values_than_a_narrow_sweep_counts() -> None:
    values = np.ones((1 << 22) + 1, dtype=np.float32)
    found = sweep(values, np.array([], dtype=np.float64), np.array([[0, len(values)]]))
    assert (found.real, found.counts.tolist(), found.single.tolist()) == (len(values), [len(values)], [True])


def test_ranges_beyond_the_values_are_refused() -> None:
    for edges in ([0, 4], [-1, 2], [2, 1]):
        with pytest.raises(IndexError, match="beyond the 3"):
            sweep_single(np.zeros(3, np.float32), np.array([], dtype=np.float64), np.array(edges))


@given(values=hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(-(2**24) - 2, 2**24 + 2)))
def test_whole_numbers_are_the_same_in_every_type(values: NDArray[np.int64]) -> None:
    none = np.array([], dtype=np.float64)
    whole, wide = ValueStatistics.of(values, none), ValueStatistics.of(values.astype(np.float64), none)
    assert whole.features.rounded == wide.features.rounded
    assert (whole.low, whole.high) == (int(values.min()), int(values.max()))
    assert whole.features.moments.rows() == wide.features.moments.rows()
    np.testing.assert_array_equal(whole.features.sketch.first, wide.features.sketch.first)
