"""Constructs that are allowed, those that are not, and what binds how tightly."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors import ExpressionError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.features.expression import parse
from mlaas4hep.features.expression.functions import FUNCTIONS, REDUCERS


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("b + a * b", ("b", "a")),
        ("Jet.pt > 3", ("Jet_pt",)),
        ("Jet.a.b", ("Jet_a_b",)),
        ("`Muon/pt` + `a.b-c`", ("Muon/pt", "a.b-c")),
        ("`lambda` + `log`", ("lambda", "log")),
        ("`__class__`", ("__class__",)),
        ("max > 3", ("max",)),
        ("log(log)", ("log",)),
        ("np.log(a) + numpy.pi + np.sum(b)", ("a", "b")),
        ("np + 1", ("np",)),
        ("pi * 2", ()),
        ("`pi`", ("pi",)),
        ("_x1", ("_x1",)),
        ("x[y > z]", ("x", "y", "z")),
        ("x[0, -1]", ("x",)),
        ("True", ()),
    ],
)
def test_names(text: str, names: tuple[str, ...]) -> None:
    assert parse(text).names == names
    assert parse(text).text == text


@pytest.mark.parametrize(
    ("text", "what", "position", "hint"),
    [
        ("a + * b", "'*' is unexpected", 4, None),
        ("a << 2", "'<' is unexpected", 3, None),
        ("log(a, , b)", "',' is unexpected", 7, None),
        ("x[]", "']' is unexpected", 2, None),
        ("()", "the parentheses are empty", 0, None),
        ("(a, b)", "several values are not allowed here", 0, "remove the comma"),
        ("[a]", "a list is not allowed", 0, None),
        ("(a + b).c", "'.' is allowed in names only", 0, None),
        ("`a`.b", "backticks inside a dotted name", 0, "the whole name"),
        ("np.e", "there is no constant e", 0, "there are pi"),
        ("logg(a)", "there is no function logg", 0, "did you mean log?"),
        ("ln(a)", "there is no function ln", 0, "did you mean log?"),
        ("xyz(a)", "there is no function xyz", 0, None),
        ("a + os.system(b)", "there is no function os.system", 4, None),
        ("np.len(a)", "there is no function np.len", 0, "did you mean len?"),
        ("np.linalg.norm(a)", "there is no function np.linalg.norm", 0, None),
        ("Jet.pt.sum()", "there is no function Jet.pt.sum", 0, "write sum(Jet_pt)"),
        ("(a + b)(c)", "only functions can be called", 0, "operator missing"),
        ("`log`(c)", "only functions can be called", 0, "operator missing"),
        ("log(a)(b)", "only functions can be called", 0, "operator missing"),
        ("log(*a)", "'*' before an argument is not allowed", 4, None),
        ("log(**a)", "keyword arguments are not allowed in log(...)", 0, None),
        ("log()", "log takes 1 argument, not 0", 0, "write log(x)"),
        ("1 + clip(a, 0)", "clip takes 3 arguments, not 2", 4, "write clip(x, low, high)"),
        ("max(a, b + 1)", "max takes 1 argument, not 2", 0, "write maximum(a, b + 1)"),
        ("min(a, b)", "min takes 1 argument, not 2", 0, "write minimum(a, b)"),
        ("sum(a, b)", "sum takes 1 argument, not 2", 0, "write sum(x)"),
        ("max(a, b, c)", "max takes 1 argument, not 3", 0, "write max(x)"),
        ("x[i + 1]", "an index must be a literal integer", 2, "x[x > 0]"),
        ("x[1.5]", "an index must be a literal integer", 2, "x[x > 0]"),
        ("x[99999999999999999999]", "an index must be a literal integer", 2, "x[x > 0]"),
        ("x[a, 1]", "an index must be a literal integer", 2, "x[x > 0]"),
        ("x[0, a]", "the fill value is not a number", 5, "write x[0, -1]"),
        ("x[0, 1, 2]", "an index takes one number and one fill value", 2, "x[0, -1]"),
        ("x[*a]", "an index takes one number", 2, "x[0, -1]"),
        ("a > 1 & b < 2", "'&' binds more tightly than the comparison beside it", 6, "put parentheses around each"),
        ("a > 1 | b < 2", "'|' binds more tightly than the comparison beside it", 6, "put parentheses around each"),
        ("(a > 1) & b < 2", "'&' binds more tightly than the comparison beside it", 8, "put parentheses around each"),
        ("any(a & b == 1)", "'&' binds more tightly than the comparison beside it", 6, "put parentheses around each"),
        ("`&` & b == 1", "'&' binds more tightly than the comparison beside it", 4, "put parentheses around each"),
        ("!a > 3", "'!' binds more tightly than the comparison beside it", 0, "put parentheses around each"),
        ("b == ~a", "'~' binds more tightly than the comparison beside it", 5, "put parentheses around each"),
        ("(a > 1) & 2", "2 is a number, not a condition", 10, "compare it with something"),
        ("a + 1 and b", "a + 1 is a number, not a condition", 0, "compare it with something"),
        ("b or -a", "-a is a number, not a condition", 5, "compare it with something"),
        ("not 1", "1 is a number, not a condition", 4, "compare it with something"),
        ("b && pi", "pi is a number, not a condition", 5, "compare it with something"),
        ("where(1, a, b)", "1 is a number, not a condition", 6, "compare it with something"),
        ("any(x * 2)", "x * 2 is a number, not a condition", 4, "compare it with something"),
    ],
)
def test_refused(text: str, what: str, position: int, hint: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.what.startswith(what)
    assert caught.value.position == position
    assert f"at column {position + 1} of {text!r}" in caught.value.what
    if hint is None:
        assert caught.value.hint is None
    else:
        assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7.0),
        ("-2 ** 2", -4.0),
        ("2 ** -1", 0.5),
        ("2 ** 3 ** 2", 512.0),
        ("7 // 2 + 7 % 4", 6.0),
        ("-7 % 4", 1.0),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("not 1 > 2 and 2 > 1", True),
        ("!(1 > 2) && 2 > 1", True),
        ("~(1 > 2) | (2 > 1) & (1 > 2)", True),
        ("1 > 2 || 2 > 1 && 1 > 2", False),
        ("(1 != 2) == (3 != 4)", True),
        ("(!True) == False", True),
        ("((1 > 0) | False) == True", True),
        ("9 ** 9 ** 9", np.inf),
        ("1e400", np.inf),
        ("9" * 400, np.inf),
        ("-" + "9" * 400, -np.inf),
        ("+3", 3),
        ("- -3", 3),
        ("-True", -1.0),
        ("1 / 0", np.inf),
        ("18446744073709551615 > 9223372036854775807", True),
        (".5 + 5.", 5.5),
        ("where(1 > 2, 3, 4)", 4.0),
        ("pi", np.pi),
        ("np.pi / numpy.pi", 1.0),
    ],
)
def test_constants_and_precedence(text: str, value: float) -> None:
    result = parse(text).evaluate({"any": np.zeros(3)})
    assert isinstance(result, np.ndarray)
    assert result.tolist() == [value] * 3
    assert parse(text).evaluate({}, events=2).shape == (2,)  # type: ignore[union-attr]
    assert len(parse(text).evaluate({})) == 0


def test_equal_and_picklable() -> None:
    one, two = parse("x[0] + log(y)"), parse("x[0] + log(y)")
    assert one == two
    assert hash(one) == hash(two)
    again = pickle.loads(pickle.dumps(one))
    columns = {"x": Jagged.from_lists([[1.0]]), "y": np.ones(1)}
    assert again.evaluate(columns).tolist() == [1.0]


def test_check_condition() -> None:
    for text in ("a > 1", "a", "log(a)", "any(x)", "x[0]", "True", "a & b", "not a"):
        parse(text).check_condition()
    for text in ("a + 1", "1", "-a", "pi"):
        with pytest.raises(ExpressionError, match=r"this is a number, not a condition.*; compare it with something"):
            parse(text).check_condition()


def position_of_error(text: str) -> int | None:
    try:
        parse(text)
    except ExpressionError as error:
        return error.position
    return None


@given(st.text(alphabet="ab1.0 +-*/%<>=!&|~()[],`'\"#@^:\n_\u00e9", max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    assert position_of_error(text) in {None, *range(len(text) + 1)}


@given(st.lists(st.sampled_from([*FUNCTIONS, *REDUCERS, "a", "(", ")", "[", "]", ",", "0", "+", "<", "&", "not", "."])))
def test_any_tokens_are_parsed_or_refused(tokens: list[str]) -> None:
    text = " ".join(tokens)
    assert position_of_error(text) in {None, *range(len(text) + 1)}
