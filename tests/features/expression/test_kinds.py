"""The static check of flat and jagged, before any data is read."""

from __future__ import annotations

import pytest

from mlaas4hep.errors import ExpressionError
from mlaas4hep.features.expression import parse

KINDS = {"MET_pt": "flat", "n": "flat", "Jet_pt": "jagged", "Jet_eta": "jagged", "names": "unsupported"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("MET_pt", "flat"),
        ("3", "flat"),
        ("Jet_pt", "jagged"),
        ("Jet.pt * MET_pt", "jagged"),
        ("1 < n < 3", "flat"),
        ("-Jet_pt", "jagged"),
        ("not Jet_pt", "jagged"),
        ("n & (Jet_pt > 3)", "jagged"),
        ("where(n > 1, 1, Jet_pt)", "jagged"),
        ("sum(Jet_pt)", "flat"),
        ("len(Jet_pt[Jet_eta > 1])", "flat"),
        ("Jet_pt[Jet_eta > 1]", "jagged"),
        ("Jet_pt[Jet_eta > 1][0]", "flat"),
        ("Jet_pt - mean(Jet_pt)", "jagged"),
    ],
)
def test_kind(text: str, kind: str) -> None:
    assert parse(text).kind(KINDS) == kind


@pytest.mark.parametrize(
    ("text", "what", "position", "hint"),
    [
        ("1 + Jet_ptt", "there is no branch Jet_ptt", 4, "did you mean Jet_pt?"),
        ("foo", "there is no branch foo", 0, None),
        ("names > 1", "branch names does not hold numbers", 0, None),
        ("sum(MET_pt)", "sum(...) needs a list of values an event, but branch MET_pt is flat", 4, None),
        ("len(n)", "len(...) needs a list of values an event, but branch n is flat", 4, None),
        ("mean(n + 1)", "mean(...) needs a list of values an event, but n + 1 is flat", 5, None),
        ("any(n > 1)", "any(...) needs a list of values an event, but n > 1 is flat", 4, "leave it out"),
        ("all(n)", "all(...) needs a list of values an event, but branch n is flat", 4, "leave it out"),
        ("max(max(Jet_pt))", "max(...) needs a list of values an event, but max(Jet_pt) is flat", 4, None),
        ("n[0]", "an index needs a list of values an event, but branch n is flat", 0, None),
        ("n[Jet_pt > 3]", "an index needs a list of values an event, but branch n is flat", 0, None),
        ("Jet_pt[n]", "a mask needs a list of values an event, but branch n is flat", 7, "a literal integer"),
        ("Jet_pt[n > 1]", "a mask needs a list of values an event, but n > 1 is flat", 7, "each element"),
    ],
)
def test_refused(text: str, what: str, position: int, hint: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text).kind(KINDS)
    assert caught.value.what.startswith(f"{what} at column {position + 1} of {text!r}")
    assert caught.value.position == position
    if hint is None:
        assert caught.value.hint is None
    else:
        assert hint in str(caught.value.hint)


def test_a_branch_named_like_a_constant() -> None:
    kinds = {**KINDS, "pi": "flat"}
    with pytest.raises(
        ExpressionError, match=r"pi is both a constant and a branch at column 5.*write np.pi for the const"
    ):
        parse("2 * pi").kind(kinds)
    assert parse("2 * np.pi").kind(kinds) == "flat"
    assert parse("2 * `pi`").names == ("pi",)
    assert parse("2 * `pi`").kind(kinds) == "flat"


def test_a_branch_named_like_a_function() -> None:
    assert parse("max + max(x)").kind({"max": "flat", "x": "jagged"}) == "flat"


def test_a_dot_where_a_branch_has_it_too() -> None:
    """Nobody is to guess which of the two is meant."""
    kinds = {"Jet.pt": "flat", "Jet_pt": "jagged"}
    with pytest.raises(
        ExpressionError, match=r"Jet\.pt stands for Jet_pt in expressions, but there is also a branch Jet\.pt"
    ):
        parse("2 * Jet.pt").kind(kinds)
    assert parse("2 * `Jet.pt`").kind(kinds) == "flat"
    assert parse("2 * Jet_pt").kind(kinds) == "jagged"
    with pytest.raises(ExpressionError, match="in backticks"):
        parse("Jet.pt").kind({"Jet.pt": "flat"})
