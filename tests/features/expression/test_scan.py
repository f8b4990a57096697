"""What is refused before parsing, and where the errors point."""

from __future__ import annotations

import pytest

from mlaas4hep.errors import ExpressionError
from mlaas4hep.features.expression import parse
from mlaas4hep.features.expression.scan import MAX_LENGTH, scan


@pytest.mark.parametrize(
    ("text", "what", "position", "hint"),
    [
        ("", "the expression is empty", None, None),
        (" \n ", "the expression is empty", None, None),
        ("a +", "the expression is incomplete", 3, None),
        ("a and  ", "the expression is incomplete", 5, None),
        ("not", "the expression is incomplete", 3, None),
        ("(a + b", "'(' is not closed", 0, None),
        ("a[0", "'[' is not closed", 1, None),
        ("f((a)", "'(' is not closed", 1, None),
        ("a + b)", "')' without '('", 5, None),
        ("(a]", "']' without '['", 2, None),
        ("a b", "an operator is missing before 'b'", 2, None),
        ("2(a)", "an operator is missing before '('", 1, None),
        ("2 [0]", "an operator is missing before '['", 2, None),
        ("True(a)", "an operator is missing before '('", 4, None),
        ("(a) `b`", "an operator is missing before '`b`'", 4, None),
        ("a not b", "an operator is missing before 'not'", 2, None),
        ("a = 1", "'=' is not allowed", 2, "write =="),
        ("clip(a, min=0)", "'=' is not allowed", 11, "keyword arguments are not supported"),
        ("a =< 1", "'=<' is not an operator", 2, "write <="),
        ("a => 1", "'=>' is not an operator", 2, "write >="),
        ("a ^ 2", "'^' is not allowed", 2, "write ** for a power"),
        ("a == 'x'", "text in quotes is not allowed", 5, "backticks"),
        ('a == "x"', "text in quotes is not allowed", 5, "backticks"),
        ("`a", "a name in backticks is empty or not closed", 0, None),
        ("``", "a name in backticks is empty or not closed", 0, None),
        ("a # b", "a comment is not allowed", 2, "remove"),
        ("a[0:1]", "':' is not allowed", 3, "no slices"),
        ("a ? b : c", "'?' is not allowed", 2, "where(condition, x, y)"),
        ("a @ b", "the character '@' is not allowed", 2, None),
        ("a; b", "the character ';' is not allowed", 1, None),
        ("{a}", "the character '{' is not allowed", 0, None),
        ("a\0", "the character '\\x00' is not allowed", 1, None),
        ("a + \u00e9", "the character '\u00e9' is not allowed", 4, "backticks"),
        ("lambda: 1", "'lambda' is not allowed in an expression", 0, "backticks"),
        ("sum(x for x in y)", "'for' is not allowed in an expression", 6, "backticks"),
        ("a if b else c", "'if' is not allowed in an expression", 2, "where(condition, x, y)"),
        ("a is None", "'is' is not allowed in an expression", 2, "backticks"),
        ("a.__class__", "the name __class__ is not allowed", 2, None),
        ("__import__", "the name __import__ is not allowed", 0, None),
        ("0x10", "'0x10' is not a number", 0, None),
        ("2 * 1j", "'1j' is not a number", 4, None),
        ("1_000", "'1_000' is not a number", 0, None),
        ("1.5f", "'1.5f' is not a number", 0, None),
        ("1.2.3", "'1.2.3' is not a number", 0, None),
    ],
)
def test_refused(text: str, what: str, position: int | None, hint: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.what.startswith(what)
    assert caught.value.position == position
    if position is not None:
        assert f"at column {position + 1} of {text!r}" in caught.value.what
    if hint is None:
        assert caught.value.hint is None
    else:
        assert hint in str(caught.value.hint)
    assert "\n" not in str(caught.value)


def test_too_long() -> None:
    with pytest.raises(ExpressionError, match=f"has {MAX_LENGTH + 1} characters, more than {MAX_LENGTH}; split it"):
        parse("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize(
    "text",
    [
        "-" * 9000 + "a",
        "not " * 2000 + "a",
        "!" * 9000 + "a",
        "a" + "[0]" * 3000,
        ".".join(["a"] * 4000),
        "log(" * 99 + "-" * 99 + "a" + ")" * 99,
    ],
)
def test_too_deep(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"nested more than 100 levels deep; split it into several variables"):
        parse(text)


def test_too_many_brackets() -> None:
    with pytest.raises(ExpressionError, match="more than 100 brackets are open; split it"):
        parse("(" * 101 + "a" + ")" * 101)


def test_deep_but_allowed() -> None:
    text = "(" * 100 + "a" + ")" * 100
    assert parse(text).names == ("a",)
    assert parse("log(" * 99 + "a" + ")" * 99).names == ("a",)
    assert parse(" and ".join(["a"] * 1000)).names == ("a",)


def test_positions_survive_the_rewriting() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("a > 1 && `b c` || foo(a)")
    assert caught.value.position == 18


def test_source_is_one_line_of_ascii() -> None:
    scanned = scan("`\u00e9t\u00e9`\n && !b\t|| c")
    assert scanned.source == "__0__ and ~ b or c ".replace(" and", "  and ").replace(" or", "  or ")
    assert scanned.quoted == {"__0__": "\u00e9t\u00e9"}


def test_line_breaks_count_as_spaces() -> None:
    assert parse("  a >\n  1\n").names == ("a",)
