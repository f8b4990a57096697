"""Every function against numpy, every reducer against plain loops."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.expression import parse, reference
from mlaas4hep.features.expression.functions import FUNCTIONS, REDUCERS

ONE = (
    "log", "log10", "log2", "log1p", "exp", "expm1", "sqrt", "cbrt",
    "abs", "fabs", "sign", "floor", "ceil", "rint", "round", "sin",
    "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
    "arcsinh", "arccosh", "arctanh", "deg2rad", "rad2deg", "isnan", "isfinite",
)  # fmt: skip
TWO = ("arctan2", "hypot", "minimum", "maximum", "power", "mod")
VALUES = np.array([-np.inf, -2.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 100.0, np.inf, np.nan])
DOC = Path(__file__).resolve().parents[3] / "docs" / "reference" / "expressions.md"


def test_all_functions_are_tested() -> None:
    assert {*ONE, *TWO, "clip", "where", "fill"} == set(FUNCTIONS)
    assert set(REDUCERS) == {"sum", "max", "min", "mean", "any", "all", "len"}


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("prefix", ["", "np.", "numpy."])
def test_one_argument(name: str, prefix: str) -> None:
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(VALUES)
    expression = parse(f"{prefix}{name}(x)")
    np.testing.assert_array_equal(expression.evaluate({"x": VALUES}), expected)
    lists = expression.evaluate({"x": Jagged.from_counts(np.array([5, 0, 7]), VALUES)})
    assert isinstance(lists, Jagged)
    assert lists.counts.tolist() == [5, 0, 7]
    np.testing.assert_array_equal(lists.content, expected)


@pytest.mark.parametrize("name", TWO)
def test_two_arguments(name: str) -> None:
    x, y = np.repeat(VALUES, len(VALUES)), np.tile(VALUES, len(VALUES))
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
    np.testing.assert_array_equal(parse(f"{name}(x, y)").evaluate({"x": x, "y": y}), expected)


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_integers_are_taken_as_float64(name: str) -> None:
    x = np.array([1, 2, 3, 100], dtype=np.int8)
    text = f"{name}(x)" if name in ONE else f"{name}(x, x)"
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(*[x.astype(np.float64)] * (1 if name in ONE else 2))
    np.testing.assert_array_equal(parse(text).evaluate({"x": x}), expected)


def test_clip() -> None:
    result = parse("clip(x, -1, y)").evaluate({"x": VALUES, "y": np.full(len(VALUES), 1.5)})
    np.testing.assert_array_equal(result, np.clip(VALUES, -1, 1.5))


def test_fill() -> None:
    assert parse("fill(max(x), -1)").evaluate({"x": Jagged.from_lists([[1.0, 2.0], []])}).tolist() == [2.0, -1.0]
    assert parse("fill(x, y)").evaluate({"x": np.array([np.nan, 1.0]), "y": np.array([3, 4])}).tolist() == [3.0, 1.0]


def test_where_takes_lists_flat_values_and_numbers() -> None:
    columns: dict[str, Column] = {"x": Jagged.from_lists([[1.0, 5.0], [], [7.0]]), "y": np.array([10, 20, 30])}
    assert parse("where(x > 2, x, y)").evaluate(columns).tolist() == [[10.0, 5.0], [], [7.0]]
    assert parse("where(y > 10, -1, x)").evaluate(columns).tolist() == [[1.0, 5.0], [], [-1.0]]
    assert parse("where(fill(y, 0) > 10, 1, 0)").evaluate(columns).tolist() == [0.0, 1.0, 1.0]


def test_a_missing_condition_is_false() -> None:
    assert parse("where(x, 1, 0)").evaluate({"x": np.array([np.nan, 0.0, 2.0])}).tolist() == [0.0, 0.0, 1.0]


def _sum(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


def _max(values: list[float], larger: Callable[[float, float], bool]) -> float:
    best = math.nan
    for index, value in enumerate(values):
        if math.isnan(value):
            return math.nan
        if index == 0 or larger(value, best):
            best = value
    return best


ORACLES: dict[str, Callable[[list[float]], Any]] = {
    "sum": _sum,
    "mean": lambda values: _sum(values) / len(values) if values else math.nan,
    "max": lambda values: _max(values, lambda a, b: a > b),
    "min": lambda values: _max(values, lambda a, b: a < b),
    "any": lambda values: any(value != 0 and not math.isnan(value) for value in values),
    "all": lambda values: all(value != 0 and not math.isnan(value) for value in values),
    "len": len,
}

finite_lists = st.lists(st.lists(st.floats(width=32, allow_infinity=False) | st.just(0.0), max_size=20), max_size=8)


@pytest.mark.parametrize("name", list(ORACLES))
@given(lists=finite_lists)
def test_reducers(name: str, lists: list[list[float]]) -> None:
    expected = [ORACLES[name](values) for values in lists]
    for dtype in (np.float32, np.float64):
        result = parse(f"{name}(x)").evaluate({"x": Jagged.from_lists(lists, dtype=dtype)})
        np.testing.assert_array_equal(result, np.array(expected), strict=False)


@pytest.mark.parametrize("name", list(ORACLES))
def test_reducers_of_integers_and_booleans(name: str) -> None:
    lists: list[list[int]] = [[100, 100], [], [0, 1], [-1]]
    expected = [ORACLES[name]([float(value) for value in values]) for values in lists]
    np.testing.assert_array_equal(parse(f"{name}(x)").evaluate({"x": Jagged.from_lists(lists, np.int8)}), expected)
    flags = [[bool(value) for value in values] for values in lists]
    expected = [ORACLES[name]([float(value) for value in values]) for values in flags]
    np.testing.assert_array_equal(parse(f"{name}(x)").evaluate({"x": Jagged.from_lists(flags, np.bool_)}), expected)


def test_empty_lists() -> None:
    columns = {"x": Jagged.from_lists([[]])}
    found = {name: parse(f"{name}(x)").evaluate(columns)[0] for name in REDUCERS}  # type: ignore[index]
    assert {name: found[name] for name in ("sum", "len", "any", "all")} == {
        "sum": 0,
        "len": 0,
        "any": False,
        "all": True,
    }
    assert all(math.isnan(found[name]) for name in ("max", "min", "mean"))


@given(lists=finite_lists, cut=st.integers(0, 8))
def test_reducers_do_not_depend_on_the_chunk(lists: list[list[float]], cut: int) -> None:
    whole = Jagged.from_lists(lists, dtype=np.float64)
    cut = min(cut, len(lists))
    for name in REDUCERS:
        expression = parse(f"{name}(x)")
        parts = [
            expression.evaluate({"x": Jagged(whole.offsets[a : b + 1], whole.content)})
            for a, b in ((0, cut), (cut, len(lists)))
        ]
        np.testing.assert_array_equal(np.concatenate(parts), expression.evaluate({"x": whole}))  # type: ignore[arg-type]


def test_the_documentation_lists_every_function() -> None:
    text = DOC.read_text(encoding="utf-8")
    found = re.search(r"<!-- generated: functions -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == reference()
