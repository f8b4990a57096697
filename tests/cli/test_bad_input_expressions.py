"""Bad expressions: syntax errors, unknown branches, forbidden constructs, lists that do not fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from tests.support.samples import columns

if TYPE_CHECKING:
    from tests.cli.conftest import Work

EVENTS = len(columns(signal=True)["event"])


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("MET_pt > > 20", "'>' is unexpected at column 10 of 'MET_pt > > 20'"),
        ("MET_pt >", "the expression is incomplete at column 9 of 'MET_pt >'"),
        ("(MET_pt > 20", "'(' is not closed at column 1 of '(MET_pt > 20'"),
        ("MET_pt > 20 $", "the character '$' is not allowed at column 13 of 'MET_pt > 20 $'"),
        ("MET_pt = 20", "'=' is not allowed at column 8 of 'MET_pt = 20'; write == to compare"),
    ],
)
def test_a_syntax_error(work: Work, expression: str, says: str) -> None:
    work.refused(*work.yaml(selection=expression), says=[f"cut: {says}"])


@pytest.mark.parametrize(
    ("expression", "what", "column"),
    [
        ("__import__(mass) > 0", "the name __import__ is not allowed", 1),
        ("mass.__class__ > 0", "the name __class__ is not allowed", 6),
        ("(lambda: 3)() > 0", "'lambda' is not allowed in an expression", 2),
        ("[x for x in Jet_pt] > 0", "'for' is not allowed in an expression", 4),
        ("mass > 20 if MET_pt > 3 else mass > 30", "'if' is not allowed in an expression", 11),
        ("open('/etc/passwd') > 0", "text in quotes is not allowed", 6),
        ("eval(mass) > 0", "there is no function eval", 1),
        ("f'{mass}' > 0", "text in quotes is not allowed", 2),
        ("(mass := 3) > 0", "':' is not allowed", 7),
        ("sum(*Jet_pt) > 0", "'*' before an argument is not allowed", 5),
    ],
)
def test_a_forbidden_construct(work: Work, expression: str, what: str, column: int) -> None:
    work.refused(*work.yaml(selection=expression), says=[f"cut: {what}", f"at column {column} of {expression!r}"])


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("MET_pt > 20 and Jt_pt[0] > 3", "there is no branch Jt_pt at column 17 of"),
        ("Met_pt > 20", "there is no branch Met_pt at column 1 of 'Met_pt > 20'; did you mean MET_pt?"),
        ("sqt(MET_pt) > 3", "there is no function sqt at column 1 of 'sqt(MET_pt) > 3'; did you mean sqrt?"),
    ],
)
def test_an_unknown_name(work: Work, expression: str, says: str) -> None:
    work.refused(*work.yaml(selection=expression), says=[f"cut: {says}", "did you mean"])


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("Jet_pt > 20", ["the cut makes a list of values an event", "write any(Jet_pt > 20) or all(Jet_pt > 20)"]),
        ("MET_pt + 1", ["this is a number, not a condition at column 1 of 'MET_pt + 1'", "compare it"]),
        ("MET_pt > 20 & mass > 3", ["'&' binds more tightly", "at column 13", "put parentheses"]),
        ("sum(MET_pt) > 1", ["MET_pt", "at column 5 of 'sum(MET_pt) > 1'"]),
        ("MET_pt[0] > 1", ["MET_pt", "of 'MET_pt[0] > 1'"]),
        ("hypot(mass) > 1", ["hypot", "at column 1 of 'hypot(mass) > 1'"]),
    ],
)
def test_a_value_of_the_wrong_kind(work: Work, expression: str, says: list[str]) -> None:
    work.refused(*work.yaml(selection=expression), says=["cut: ", *says])


def test_the_same_in_the_legacy_files(work: Work) -> None:
    says = ["cut: '=' is not allowed at column 5 of '0 < = MET_pt'"]
    work.refused(*work.legacy(preproc={"flat_cut": {"MET_pt": {"cut": "0 < = MET_pt"}}}), says=says)
    new: dict[str, Any] = {"logJet": {"def": "log(Jte_pt)", "type": "jagged"}}
    says = ["variable logJet: there is no branch Jte_pt at column 5 of 'log(Jte_pt)'", "did you mean Jet_pt?"]
    work.refused(*work.legacy(preproc={"new_branch": new}), says=says)
    new = {"logJet": {"def": "log(Jet_pt)", "type": "flat"}}
    says = ["variable logJet: the expression 'log(Jet_pt)' is jagged, not flat", "state jagged as its type"]
    work.refused(*work.legacy(preproc={"new_branch": new}), says=says)
    work.refused(*work.legacy(selection="os.system('x')"), says=["cut: text in quotes is not allowed at column 11"])


def test_a_variable_with_the_name_of_a_branch(work: Work) -> None:
    says = ["variable mass: there is already a branch of this name", "choose another name"]
    work.refused(*work.yaml(variables={"mass": "MET_pt + 1"}), says=says)
    variables = [{"name": "a", "expression": "mass"}, {"name": "a", "expression": "MET_pt"}]
    work.refused(*work.yaml(variables=variables), says=["workflow.yaml: two variables are named a"])


def test_a_variable_used_before_it_is_defined(work: Work) -> None:
    variables = {"twice": "2 * single", "single": "mass"}
    work.refused(
        *work.yaml(variables=variables), says=["variable twice: variable single is defined only later", "'2 * single'"]
    )


def test_lists_of_different_lengths(work: Work) -> None:
    counts = np.where(np.arange(EVENTS) == 123, 2, 1)
    one = ak.unflatten(np.ones(EVENTS, dtype=np.float32), np.ones(EVENTS, dtype=np.int64))
    work.data("sig.root", signal=True, a=one, b=one)
    path = work.data("bkg.root", a=one, b=ak.unflatten(np.ones(EVENTS + 1, dtype=np.float32), counts))
    work.refused(*work.yaml(variables={"total": "a + b"}), says=[f"{path}: ", "123", "'a + b'"])


def test_an_expression_for_specs(work: Work) -> None:
    arguments = ["specs", work.inputs / "sig.root", "--selection", "MET_pt >< 3"]
    work.refused(*arguments, says=["cut: '<' is unexpected at column 9 of 'MET_pt >< 3'"])
