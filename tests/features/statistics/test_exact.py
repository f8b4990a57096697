"""Exact sums against math.fsum and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.features.statistics.exact import ExactSum

floats = st.floats(allow_nan=False, allow_infinity=False)
tame = st.floats(min_value=-1e300, max_value=1e300)
SMALLEST = 5e-324


@given(st.lists(tame, max_size=50))
def test_value_is_correctly_rounded(values: list[float]) -> None:
    assert ExactSum.of(values).value() == math.fsum(values)


@given(st.lists(floats, max_size=30))
def test_nothing_is_lost(values: list[float]) -> None:
    exact = sum((Fraction(value) for value in values), Fraction(0))
    assert Fraction(ExactSum.of(values).units, 2**1074) == exact


@given(st.lists(floats, max_size=30), st.integers(0, 30), st.randoms(use_true_random=False))
def test_order_and_grouping_do_not_matter(values: list[float], cut: int, random: object) -> None:
    whole = ExactSum.of(values)
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ExactSum.of(shuffled[:cut]).merge(ExactSum.of(shuffled[cut:])) == whole
    assert ExactSum.of(values[cut:]) + ExactSum.of(values[:cut]) == whole


@given(st.lists(floats, max_size=30))
def test_json(values: list[float]) -> None:
    total = ExactSum.of(values)
    assert ExactSum.from_json(total.to_json()) == total
    assert ExactSum.of(list(reversed(values))).to_json() == total.to_json()


def test_json_form() -> None:
    assert ExactSum.of([0.5, 1.0]).to_json() == "0x3p-1"
    assert ExactSum.of([-12.0]).to_json() == "-0x3p2"
    assert ExactSum.of([]).to_json() == "0x0p0"
    assert ExactSum.of([SMALLEST]).to_json() == "0x1p-1074"


@pytest.mark.parametrize("text", ["", "1.5", "0x3", "0x3p-1075", "0xgp0", "0x3p99999", None, 3, "0x3p1 "])
def test_bad_json(text: object) -> None:
    with pytest.raises(ValueError, match="not an exact sum"):
        ExactSum.from_json(text)


def test_extremes() -> None:
    largest = float(np.finfo(np.float64).max)
    assert ExactSum.of([]).value() == 0.0
    assert ExactSum.of([SMALLEST] * 3).value() == 3 * SMALLEST
    assert ExactSum.of([SMALLEST, 1e300, -1e300]).value() == SMALLEST
    assert ExactSum.of([largest, largest]).value() == math.inf
    assert ExactSum.of([-largest, -largest]).value() == -math.inf
    assert ExactSum.of([largest, largest, -largest]).value() == largest


def test_many_values_of_one_exponent() -> None:
    value = float(np.nextafter(2.0, 0.0))
    total = ExactSum.of(np.full(300_000, value))
    assert Fraction(total.units, 2**1074) == 300_000 * Fraction(value)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.bool_])
def test_other_types(dtype: type) -> None:
    assert ExactSum.of(np.array([[1, 0], [1, 1]], dtype=dtype)).value() == 3.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinite values have no exact sum"):
        ExactSum.of([1.0, value])
