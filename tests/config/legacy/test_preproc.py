from __future__ import annotations

import json
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.config import Cut, Variable
from mlaas4hep.config.legacy.preproc import Preprocessing, read_preproc
from mlaas4hep.errors import ConfigError, FileReadError

EXAMPLE = """
{
  "new_branch": {
    "log_partonE":  {"def": "log(partonE)", "type": "jagged",
                     "cut_1": ["log_partonE<6.31", "any"], "cut_2": ["log_partonE>5.85", "all"],
                     "remove": "False", "keys_to_remove": ["partonE"]},
    "nJets_square": {"def": "nJets**2", "type": "flat", "cut": "1<=nJets_square<=16",
                     "remove": "False", "keys_to_remove": ["nJets"]}},
  "flat_cut":   {"nLeptons": {"cut": "0<=nLeptons<=2", "remove": "False"}},
  "jagged_cut": {"partonPt": {"cut": ["partonPt>200", "all"], "remove": "False"}}
}
"""


def written(folder: Path, content: Any) -> Path:
    path = folder / "preproc.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def cut(expression: str) -> Cut:
    return Cut(name=expression, expression=expression)


def test_the_whole_example(tmp_path: Path) -> None:
    assert read_preproc(written(tmp_path, EXAMPLE)) == Preprocessing(
        variables=(
            Variable(name="log_partonE", expression="log(partonE)", kind="jagged"),
            Variable(name="nJets_square", expression="nJets**2", kind="flat"),
        ),
        cuts=(
            cut("any(log_partonE<6.31)"),
            cut("all(log_partonE>5.85)"),
            cut("1<=nJets_square<=16"),
            cut("0<=nLeptons<=2"),
            cut("all(partonPt>200)"),
        ),
        exclude=("partonE", "nJets"),
    )


def test_all_may_be_absent(tmp_path: Path) -> None:
    assert read_preproc(written(tmp_path, {})) == Preprocessing((), (), ())
    found = read_preproc(written(tmp_path, {"new_branch": {"a": {"def": "x", "type": "FLAT"}}, "flat_cut": {}}))
    assert found == Preprocessing((Variable(name="a", expression="x", kind="flat"),), (), ())


def test_cuts_come_in_the_order_of_the_sections(tmp_path: Path) -> None:
    content = {
        "jagged_cut": {"Jet_pt": {"cut_a": ["Jet_pt > 1", "ANY"], "cut": ["Jet_pt < 9", "all"]}},
        "flat_cut": {"anything": {"cut": "MET > HT"}},
        "new_branch": {"a": {"type": "flat", "cut": "a > 1", "def": "x"}},
    }
    found = read_preproc(written(tmp_path, content))
    assert [c.expression for c in found.cuts] == ["a > 1", "MET > HT", "any(Jet_pt > 1)", "all(Jet_pt < 9)"]


@pytest.mark.parametrize(
    ("remove", "expected"),
    [("True", True), ("true", True), (True, True), ("False", False), ("FALSE", False), (False, False)],
)
def test_remove(tmp_path: Path, remove: object, expected: bool) -> None:
    for section, entry in (
        ("new_branch", {"def": "x", "type": "flat"}),
        ("flat_cut", {"cut": "b > 1"}),
        ("jagged_cut", {"cut": ["b > 1", "all"]}),
    ):
        found = read_preproc(written(tmp_path, {section: {"b": entry | {"remove": remove}}}))
        assert found.exclude == (("b",) if expected else ())


def test_keys_to_remove_take_a_text_too_and_name_each_once(tmp_path: Path) -> None:
    entry = {"def": "x + y", "type": "flat", "keys_to_remove": "x, y"}
    content = {"new_branch": {"a": entry, "b": entry | {"keys_to_remove": ["x"], "remove": True}}}
    assert read_preproc(written(tmp_path, content)).exclude == ("x", "y", "b")


@settings(deadline=None)
@given(st.text("a[]*?!", min_size=1, max_size=6), st.text("a[]*?!", max_size=6))
def test_a_removed_branch_matches_exactly(name: str, other: str) -> None:
    (pattern,) = _excluded(name)
    assert fnmatchcase(name, pattern)
    assert fnmatchcase(other, pattern) == (other == name)


def _excluded(name: str) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        return read_preproc(written(Path(folder), {"flat_cut": {name: {"cut": "x > 1", "remove": True}}})).exclude


FLAT = {"def": "x", "type": "flat"}
JAGGED = {"def": "x", "type": "jagged"}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"new_branches": {}}, ": unknown key 'new_branches'; did you mean 'new_branch'?"),
        ({"new_branch": []}, ": new_branch: should be an object { ... } of keys and values"),
        ({"new_branch": {"a": "x"}}, ": new_branch.a: should be an object { ... } of keys and values"),
        ({"new_branch": {"a": {"type": "flat"}}}, ": new_branch.a: required key 'def' is missing"),
        ({"new_branch": {"a": {"def": "x"}}}, ": new_branch.a: required key 'type' is missing"),
        ({"new_branch": {"a": FLAT | {"deff": "x"}}}, ": new_branch.a: unknown key 'deff'; did you mean 'def'?"),
        (
            {"new_branch": {"a": FLAT | {"key_to_remove": []}}},
            ": new_branch.a: unknown key 'key_to_remove'; did you mean 'keys_to_remove'?",
        ),
        (
            {"new_branch": {"a": {"def": "x", "type": "round"}}},
            ": new_branch.a.type: should be 'flat' or 'jagged', is 'round'",
        ),
        (
            {"new_branch": {"a": {"def": 5, "type": "flat"}}},
            ": new_branch.a.def: should be an expression in quotes, is 5",
        ),
        ({"new_branch": {"": FLAT}}, ": new_branch.: a new branch needs a name"),
        (
            {"new_branch": {"log_partonE": JAGGED | {"cut_1": "x > 1"}}},
            ': new_branch.log_partonE.cut_1: should be a list of two, such as ["x > 200", "all"], is \'x > 1\'',
        ),
        (
            {"new_branch": {"a": JAGGED | {"cut": ["x > 1", "some"]}}},
            ": new_branch.a.cut: should end with 'all' or 'any', ends with 'some'",
        ),
        (
            {"jagged_cut": {"a": {"cut": ["x > 1", 1]}}},
            ": jagged_cut.a.cut: should end with 'all' or 'any', ends with 1",
        ),
        ({"jagged_cut": {"a": {"cut": [[], "all"]}}}, ": jagged_cut.a.cut: should be an expression in quotes, is []"),
        (
            {"flat_cut": {"a": {"cut": ["x > 1", "all"]}}},
            ': flat_cut.a.cut: should be an expression such as "0 <= x <= 2", is a list; lists are for jagged branches',
        ),
        ({"flat_cut": {"a": {"cut": " "}}}, ": flat_cut.a.cut: should be an expression in quotes, is ' '"),
        ({"flat_cut": {"a": {"remove": "True"}}}, ": flat_cut.a: required key 'cut' is missing"),
        (
            {"flat_cut": {"a": {"cut": "x>1", "def": "x"}}},
            ": flat_cut.a: unknown key 'def'; known keys are cut, remove, keys_to_remove",
        ),
        (
            {"flat_cut": {"a": {"cut": "x>1", "remove": "yes"}}},
            ': flat_cut.a.remove: should be "True" or "False", is \'yes\'',
        ),
        (
            {"new_branch": {"a": FLAT | {"keys_to_remove": [1]}}},
            ": new_branch.a.keys_to_remove: should be a list of branches, is [1]",
        ),
        ('{"flat_cut": {"a": {"cut": "x>1"}, "a": {}}}', ": key 'a' is given twice; keep one of them"),
        ('{"flat_cut": {"a" {"cut": "x>1"}}}', ":1:19: not valid JSON: Expecting ':' delimiter"),
    ],
)
def test_mistakes(tmp_path: Path, content: Any, what: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        read_preproc(path)
    assert str(caught.value) == f"{path}{what}"


def test_a_python_file_is_named_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "preproc.py"
    path.write_text("raise SystemExit('it was run')\n")
    assert read_preproc(path) == Preprocessing(function=path)


def test_no_such_file(tmp_path: Path) -> None:
    for name in ("preproc.json", "preproc.py"):
        with pytest.raises(FileReadError, match="no such file"):
            read_preproc(tmp_path / name)
