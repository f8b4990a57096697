"""Arithmetic without surprises of integer types, exact comparisons, missing values."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.features.expression import parse

COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
BIG = 2**53


def values(text: str, **columns: Any) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result: list[Any] = (
            parse(text).evaluate({name: np.asarray(column) for name, column in columns.items()}).tolist()
        )
    return result


def test_integers_do_not_wrap_around() -> None:
    assert values("x + x", x=np.array([100], np.int8)) == [200.0]
    assert values("x - 1", x=np.array([0], np.uint32)) == [-1.0]
    assert values("-x", x=np.array([1], np.uint8)) == [-1.0]
    assert values("x * x", x=np.array([2**40], np.int64)) == [2.0**80]
    assert values("x ** -1", x=np.array([2], np.int32)) == [0.5]
    assert values("x / 2", x=np.array([3], np.int32)) == [1.5]
    assert values("abs(x)", x=np.array([-128], np.int8)) == [128.0]


def test_booleans_count() -> None:
    flags = np.array([True, False])
    assert values("x + x", x=flags) == [2.0, 0.0]
    assert values("1 - x", x=flags) == [0.0, 1.0]
    assert values("-x", x=flags) == [-1.0, 0.0]
    assert values("x == 1", x=flags) == [True, False]
    assert values("x == True", x=np.array([1, 2])) == [True, False]


def test_arithmetic_is_in_float64() -> None:
    x = np.array([0.1], np.float32)
    assert values("x * 3", x=x) == [float(x[0]) * 3]
    assert parse("x * 3").evaluate({"x": x}).dtype == np.float64  # type: ignore[union-attr]


def test_a_branch_alone_keeps_its_type() -> None:
    x = np.array([2**60 + 1], np.int64)
    result = parse("x").evaluate({"x": x})
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.int64
    assert result.tolist() == [2**60 + 1]


def test_no_warnings() -> None:
    assert values("1 / x", x=[0.0, -0.0]) == [np.inf, -np.inf]
    assert np.isnan(values("log(x) + sqrt(x) + x % 0 + x ** 0.5", x=[-1.0])).all()
    assert values("exp(x)", x=[1e4]) == [np.inf]
    assert np.isnan(values("0 / x", x=[0])).all()


@pytest.mark.parametrize("symbol", list(COMPARISONS))
@given(data=st.data())
def test_integer_comparisons_are_exact(symbol: str, data: st.DataObject) -> None:
    near = st.integers(BIG - 2, BIG + 2) | st.integers(-3, 3) | st.integers(2**63 - 3, 2**63 - 1)
    left = data.draw(near)
    right = data.draw(near | st.integers(2**64 - 3, 2**64 - 1))
    compare = COMPARISONS[symbol]
    signed = np.array([left], np.int64)
    assert values(f"x {symbol} {right}", x=signed) == [compare(left, right)]
    assert values(f"{right} {symbol} x", x=signed) == [compare(right, left)]
    for literal in (f"{left}.0", f"{left}.5"):
        assert values(f"x {symbol} {literal}", x=signed) == [compare(left, float(literal))]  # Python compares exactly
    if right >= 0:
        assert values(f"x {symbol} y", x=signed, y=np.array([right], np.uint64)) == [compare(left, right)]


@pytest.mark.parametrize("symbol", list(COMPARISONS))
@given(left=st.floats(width=32, allow_nan=False), right=st.floats(allow_nan=False))
def test_float_comparisons_are_in_float64(symbol: str, left: float, right: float) -> None:
    compare = COMPARISONS[symbol]
    x = np.array([left], np.float32)
    assert values(f"x {symbol} y", x=x, y=[right]) == [compare(left, right)]
    if np.isfinite(right):
        assert values(f"x {symbol} {right!r}", x=x) == [compare(left, right)]


def test_a_float32_branch_does_not_round_the_literal() -> None:
    assert values("x == 0.1", x=np.array([0.1], np.float32)) == [False]
    assert values("x > 0.1", x=np.array([0.1], np.float32)) == [True]


@pytest.mark.parametrize("symbol", list(COMPARISONS))
def test_a_missing_value_passes_no_comparison(symbol: str) -> None:
    assert values(f"x {symbol} 1", x=[np.nan]) == [False]
    assert values(f"1 {symbol} x", x=[np.nan]) == [False]
    assert values(f"x {symbol} x", x=[np.nan]) == [False]
    assert values(f"x {symbol} n", x=[np.nan], n=[1]) == [False]
    assert values(f"not (x {symbol} 1)", x=[np.nan]) == [True]
    assert values(f"0 / 0 {symbol} x", x=[1.0]) == [False]


def test_logic_takes_what_is_not_zero_as_true() -> None:
    x = [0.0, -0.0, 2.0, np.nan, np.inf]
    assert values("not x", x=x) == [True, True, False, True, False]
    assert values("x and True", x=x) == [False, False, True, False, True]
    assert values("x or False", x=np.array([0, 1, 5], np.uint8)) == [False, True, True]


@pytest.mark.parametrize("written", ["{} & {}", "{} && {}", "{} and {}", "({}) & ({})"])
def test_and(written: str) -> None:
    assert values(written.format("x", "y"), x=[0, 0, 1, 1], y=[0, 1, 0, 1]) == [False, False, False, True]


@pytest.mark.parametrize("written", ["{} | {}", "{} || {}", "{} or {}"])
def test_or(written: str) -> None:
    assert values(written.format("x", "y"), x=[0, 0, 1, 1], y=[0, 1, 0, 1]) == [False, True, True, True]


@pytest.mark.parametrize("written", ["not x", "!x", "~x", "! ( x )", "!!!x"])
def test_not(written: str) -> None:
    assert values(written, x=[0, 1]) == [True, False]
