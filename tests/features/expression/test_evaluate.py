"""Whole expressions on events, against Python loops over one event after another."""

from __future__ import annotations

import ast
import math
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import BranchNotFoundError, ExpressionError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.expression import LengthMismatchError, parse
from tests.support.columns import slice_column

Event = dict[str, Any]
Oracle = Callable[[Event], Any]
Term = tuple[str, Oracle]

COLUMNS: dict[str, Column] = {
    "met": np.array([10.0, np.nan, 30.5], np.float32),
    "n": np.array([0, 1, 2], np.int32),
    "pt": Jagged.from_lists([[50.0, 20.0, 35.0], [], [25.0]], np.float32),
    "eta": Jagged.from_lists([[0.5, -3.0, 2.0], [], [-1.0]], np.float32),
    "tight": Jagged.from_lists([[True, False, True], [], [False]], np.bool_),
    "index": Jagged.from_lists([[2, 0, 1], [], [0]], np.int32),
    "muon": Jagged.from_lists([[5.0, 6.0, 7.0], [4.0], [3.0]], np.float32),
}


def lift(function: Callable[..., Any], *terms: Oracle) -> Oracle:
    """Apply a function of numbers to numbers and lists of one event."""

    def apply(event: Event) -> Any:
        values = [term(event) for term in terms]
        lengths = [len(value) for value in values if isinstance(value, list)]
        if not lengths:
            return function(*values)
        return [
            function(*(value[i] if isinstance(value, list) else value for value in values)) for i in range(lengths[0])
        ]

    return apply


def true(value: float) -> bool:
    return value != 0 and not math.isnan(value)


def total(values: list[float]) -> float:
    result = 0.0
    for value in values:
        result += value
    return result


def largest(values: list[float]) -> float:
    if not values or any(math.isnan(value) for value in values):
        return math.nan
    return max(values)


BINARY: dict[str, Callable[[float, float], Any]] = {
    "({} + {})": lambda a, b: float(a) + float(b),
    "({} - {})": lambda a, b: float(a) - float(b),
    "({} * {})": lambda a, b: float(a) * float(b),
    "hypot({}, 0 * {})": lambda a, b: math.hypot(a, 0 * b),
    "where({} > 1, {}, 2)": lambda a, b: float(b) if a > 1 else 2.0,
}
CONDITIONS: dict[str, Callable[[float, float], bool]] = {
    "({} < {})": lambda a, b: a < b,
    "({} >= {})": lambda a, b: a >= b,
    "({} != {})": lambda a, b: a < b or a > b,
    "(0 < {} <= {})": lambda a, b: 0 < a <= b,
    "(({} > 1) && !({} > 2))": lambda a, b: a > 1 and not b > 2,
    "(isnan({}) | ({} == 1))": lambda a, b: math.isnan(a) or b == 1,
}
REDUCERS: dict[str, Callable[[list[float]], Any]] = {
    "sum({})": total,
    "max({})": largest,
    "len({})": len,
    "any({} > 1)": lambda values: any(value > 1 for value in values),
    "all({} > 1)": lambda values: all(value > 1 for value in values),
    "({})[0]": lambda values: values[0] if values else math.nan,
    "({})[-2, 7]": lambda values: values[-2] if len(values) > 1 else 7.0,
}


def name(branch: str) -> Term:
    return branch, lambda event: event[branch]


@st.composite
def terms(draw: st.DrawFn, jagged: bool, depth: int = 3) -> Term:
    """An expression and its oracle; jagged: it makes a list an event."""
    if depth == 0:
        if jagged:
            return name(draw(st.sampled_from(["x", "y", "k"])))
        number = draw(st.integers(-3, 3))
        leaves: list[Term] = [name("a"), name("n"), name("b"), (f"({number})", lambda _: number)]
        return leaves[draw(st.integers(0, 3))]
    if not jagged and draw(st.booleans()):
        text, values = draw(terms(True, depth - 1))
        if draw(st.booleans()):
            mask_text, mask = draw(terms(True, depth - 1))
            text, values = masked((text, values), (f"{mask_text} > 0", lift(lambda v: v > 0, mask)))
        form = draw(st.sampled_from(list(REDUCERS)))
        return form.format(text), lambda event: REDUCERS[form](values(event))
    table = draw(st.sampled_from([BINARY, CONDITIONS]))
    form = draw(st.sampled_from(list(table)))
    left, right = draw(terms(jagged, depth - 1)), draw(terms(jagged and draw(st.booleans()), depth - 1))
    if draw(st.booleans()):
        left, right = right, left
    return form.format(left[0], right[0]), lift(table[form], left[1], right[1])


def masked(values: Term, mask: Term) -> Term:
    def apply(event: Event) -> list[float]:
        return [value for value, keep in zip(values[1](event), mask[1](event), strict=True) if keep]

    return f"({values[0]})[{mask[0]}]", apply


numbers = st.sampled_from([0.0, 1.0, -1.5, 2.25, 7.0, math.nan, math.inf, 1e30])
events = st.lists(
    st.fixed_dictionaries(
        {
            "a": numbers,
            "n": st.integers(-3, 3),
            "b": st.booleans(),
            "lists": st.lists(st.tuples(numbers, numbers, st.integers(0, 200)), max_size=4),
        }
    ),
    max_size=5,
)


def columns_of(rows: list[dict[str, Any]]) -> dict[str, Column]:
    return {
        "a": np.array([row["a"] for row in rows], np.float64),
        "n": np.array([row["n"] for row in rows], np.int8),
        "b": np.array([row["b"] for row in rows], np.bool_),
        "x": Jagged.from_lists([[item[0] for item in row["lists"]] for row in rows], np.float64),
        "y": Jagged.from_lists([[item[1] for item in row["lists"]] for row in rows], np.float64),
        "k": Jagged.from_lists([[item[2] for item in row["lists"]] for row in rows], np.uint8),
    }


@settings(max_examples=300)
@given(data=st.data(), rows=events, jagged=st.booleans())
def test_against_loops(data: st.DataObject, rows: list[dict[str, Any]], jagged: bool) -> None:
    text, oracle = data.draw(terms(jagged))
    columns = columns_of(rows)
    expression = parse(text)
    kinds = {branch: "jagged" if isinstance(column, Jagged) else "flat" for branch, column in columns.items()}
    result = expression.evaluate(columns)
    single = [
        expression.evaluate({branch: slice_column(column, i, i + 1) for branch, column in columns.items()}, events=1)
        for i in range(len(rows))
    ]
    by_event = [
        {**row, "x": [i[0] for i in row["lists"]], "y": [i[1] for i in row["lists"]], "k": [i[2] for i in row["lists"]]}
        for row in rows
    ]
    expected = [oracle(event) for event in by_event]
    if isinstance(result, Jagged):
        assert expression.kind(kinds) == "jagged"
        assert [len(values) for values in expected] == result.counts.tolist()
        flat = [float(value) for values in expected for value in values]
        np.testing.assert_array_equal(result.values, np.array(flat))
        np.testing.assert_array_equal([v for part in single for v in part.tolist()[0]], np.array(flat))
    else:
        assert expression.kind(kinds) == "flat"
        np.testing.assert_array_equal(result, np.array([float(value) for value in expected]))
        np.testing.assert_array_equal([part.tolist()[0] for part in single], result)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pt[0]", [50.0, math.nan, 25.0]),
        ("pt[1]", [20.0, math.nan, math.nan]),
        ("pt[-1]", [35.0, math.nan, 25.0]),
        ("pt[-2, -999]", [20.0, -999.0, -999.0]),
        ("pt[1, 0.5]", [20.0, 0.5, 0.5]),
        ("pt[9223372036854775807]", [math.nan] * 3),
        ("pt[-9223372036854775808]", [math.nan] * 3),
        ("pt[18446744073709551615, 1]", [1.0] * 3),
        ("index[0]", [2.0, math.nan, 0.0]),
        ("sum(pt[abs(eta) < 2.4])", [85.0, 0.0, 25.0]),
        ("len(pt[pt > 30])", [2, 0, 0]),
        ("pt[pt > 30][0, 0]", [50.0, 0.0, 0.0]),
        ("sum(tight)", [2.0, 0.0, 0.0]),
        ("any(tight & (pt > 40)) and met < 20", [True, False, False]),
        ("all(pt > 20)", [False, True, True]),
        ("max(pt) - min(pt)", [30.0, math.nan, 0.0]),
        ("3", [3, 3, 3]),
        ("1 < 2", [True, True, True]),
        ("pi", [math.pi] * 3),
    ],
)
def test_flat_results(text: str, expected: list[Any]) -> None:
    result = parse(text).evaluate(COLUMNS)
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pt[tight]", [[50.0, 35.0], [], []]),
        ("pt[eta > 0][tight[eta > 0]]", [[50.0, 35.0], [], []]),
        ("tight[!tight]", [[False], [], [False]]),
        ("pt * n", [[0.0, 0.0, 0.0], [], [50.0]]),
        ("n - pt", [[-50.0, -20.0, -35.0], [], [-23.0]]),
        ("(n > 1) | tight", [[True, False, True], [], [True]]),
        ("pt > sum(pt) / len(pt)", [[True, False, False], [], [False]]),
        ("15 < pt < 40", [[False, True, True], [], [True]]),
        ("n < pt < 40", [[False, True, True], [], [True]]),
        ("not tight", [[False, True, False], [], [True]]),
    ],
)
def test_jagged_results(text: str, expected: list[Any]) -> None:
    result = parse(text).evaluate(COLUMNS)
    assert isinstance(result, Jagged)
    assert result.tolist() == expected
    assert parse(text).passes(COLUMNS).tolist() == [[bool(value) for value in values] for values in expected]


def test_passes() -> None:
    assert parse("met").passes(COLUMNS).tolist() == [True, False, True]
    assert parse("n").passes(COLUMNS).tolist() == [False, True, True]
    assert parse("True").passes(COLUMNS).tolist() == [True, True, True]


def test_a_part_of_a_larger_content() -> None:
    part: dict[str, Column] = {branch: slice_column(column, 2, 3) for branch, column in COLUMNS.items()}
    assert parse("pt").evaluate(part).tolist() == [[25.0]]
    assert parse("sum(pt * n) + pt[0]").evaluate(part).tolist() == [75.0]
    assert parse("pt[pt > 0]").evaluate(part).tolist() == [[25.0]]


def test_a_column_that_is_not_contiguous() -> None:
    wide = np.arange(10.0).reshape(5, 2)
    assert parse("log(x)").evaluate({"x": wide[:, 1]}).tolist() == np.log(wide[:, 1].copy()).tolist()


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        ("pt + muon", "pt", "muon"),
        ("n * (pt - muon)", "pt", "muon"),
        ("any((pt > 30) & (n > 1) & (2 * muon > 5))", "pt > 30", "2 * muon > 5"),
        ("pt > 1 > muon", "pt", "muon"),
        ("pt[muon > 1]", "pt", "muon > 1"),
        ("where(tight, 1, muon)", "tight", "muon"),
        ("arctan2(n * pt, muon)", "n * pt", "muon"),
    ],
)
def test_lists_of_different_lengths(text: str, left: str, right: str) -> None:
    with pytest.raises(LengthMismatchError) as caught:
        parse(text).evaluate(COLUMNS)
    error = caught.value
    assert (error.event, error.operands, error.counts) == (1, (left, right), (0, 1))
    assert str(error) == (
        f"{left} has 0 values and {right} has 1 in event 1 of the chunk in {text!r}; "
        "only lists of the same lengths can be combined element by element"
    )
    assert f"{left} has 0 values and {right} has 1 in entry 1001 in" in str(error.shifted(1000))
    assert "in entry 1 in" in str(error.shifted(0))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.event, again.counts) == (str(error), 1, (0, 1))


def test_a_mask_must_be_boolean() -> None:
    with pytest.raises(ExpressionError, match=r"a mask must be boolean at column 4 of 'pt\[index\]'; compare it"):
        parse("pt[index]").evaluate(COLUMNS)
    assert parse("pt[flag]").evaluate({**COLUMNS, "flag": COLUMNS["tight"]}).tolist() == [[50.0, 35.0], [], []]
    as_numbers = Jagged.from_lists([[1, 0, 1], [], [0]])
    assert parse("pt[flag]").evaluate({**COLUMNS, "flag": as_numbers}).tolist() == [[50.0, 35.0], [], []]


@pytest.mark.parametrize("text", ["sum(met)", "met[0]", "met[pt > 1]", "pt[met]", "len(met + 1)"])
def test_flat_where_a_list_is_needed(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"needs a list of values an event, but .* is flat"):
        parse(text).evaluate(COLUMNS)


def test_a_missing_branch() -> None:
    with pytest.raises(BranchNotFoundError, match=r"expression 'met \+ foo': branch foo is missing"):
        parse("met + foo").evaluate(COLUMNS)


def test_columns_of_different_numbers_of_events() -> None:
    with pytest.raises(ExpressionError, match=r"y has 3 events, x has 1 in 'x \+ y'"):
        parse("x + y").evaluate({"x": np.zeros(1), "y": np.zeros(3)})


def test_the_input_is_not_changed() -> None:
    x = np.array([1.0, np.nan])
    parse("fill(x, 0) + x").evaluate({"x": x})
    assert x[0] == 1.0
    assert np.isnan(x[1])


def test_no_events() -> None:
    empty: dict[str, Column] = {branch: slice_column(column, 0, 0) for branch, column in COLUMNS.items()}
    for text in ("met + 1", "sum(pt[pt > 1])", "pt[0]", "max(pt)", "any(pt > n)", "pt * met", "3"):
        assert len(parse(text).evaluate(empty)) == 0


@pytest.mark.parametrize("operator", ["+", "-", "*", "&", "|", "<"])
def test_a_long_flat_expression_is_not_nested(operator: str) -> None:
    term = "(x > 0)" if operator in "&|" else "x"
    text = f" {operator} ".join([term] * 700)
    x = np.array([1.0, 1.0])
    expected = {"+": 700.0, "-": -698.0, "*": 1.0, "&": True, "|": True, "<": False}[operator]
    np.testing.assert_array_equal(parse(text).evaluate({"x": x}), [expected] * 2)


def test_too_many_operators_are_not_called_nesting() -> None:
    with pytest.raises(ExpressionError, match="combines 5000 names and numbers") as caught:
        parse("+".join(["x"] * 5000))
    assert "nested" not in str(caught.value)


def test_real_nesting_is_called_so() -> None:
    with pytest.raises(ExpressionError, match="brackets"):
        parse("(" * 150 + "x" + ")" * 150)
    with pytest.raises(ExpressionError, match="nested"):
        parse("-" * 150 + "x")


@given(
    operators=st.lists(st.sampled_from(["+", "-", "*", "/"]), min_size=1, max_size=30),
    values=st.lists(st.floats(0.5, 2.0), min_size=31, max_size=31),
)
def test_chains_are_evaluated_from_left_to_right_as_python_does(operators: list[str], values: list[float]) -> None:
    columns = {f"x{i}": np.array([value]) for i, value in enumerate(values)}
    text = "x0" + "".join(f" {operator} x{i}" for i, operator in enumerate(operators, start=1))
    numbers = iter(values)
    plain = repr(next(numbers)) + "".join(f" {operator} {next(numbers)!r}" for operator in operators)
    found = parse(text).evaluate(columns)
    assert isinstance(found, np.ndarray)
    assert found[0] == _python(ast.parse(plain, mode="eval").body)


def _python(tree: ast.expr) -> float:
    if isinstance(tree, ast.Constant):
        return float(tree.value)  # type: ignore[arg-type]
    assert isinstance(tree, ast.BinOp)
    left, right = _python(tree.left), _python(tree.right)
    operation = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
    return float(operation[type(tree.op)](left, right))
