"""`inspect` and `specs` on every ROOT file: what is said to be readable is read, what is wrong takes one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import run

DATA = Path(os.environ.get("MLAAS4HEP_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
FILES = [
    str(path.relative_to(DATA)) for part in ("root", "faults/root") for path in sorted(DATA.glob(f"{part}/**/*.root"))
]
WITHOUT_TREES = {"bad_delphes.root", "uproot-histograms.root", "uproot-issue70.root"}
DAMAGED = {"uproot-small-dy-nooffsets.root": ["Jet_jetId", "Jet_pt"]}
NEEDS_DATA = pytest.mark.skipif(not FILES, reason=f"no test data at {DATA}; set MLAAS4HEP_TEST_DATA")


def inspected(path: Path) -> dict[str, Any]:
    done = run("inspect", path, "--json")
    assert (done.code, done.err) == (0, "")
    content: dict[str, Any] = json.loads(done.out)
    return content


@NEEDS_DATA
@pytest.mark.parametrize("name", FILES)
def test_what_inspect_lists_is_read(name: str) -> None:
    path = DATA / name
    trees = inspected(path)["trees"]
    assert bool(trees) == (path.name not in WITHOUT_TREES)
    if not trees:
        assert "tree" in run("specs", path).error
    for tree in trees:
        readable = [branch["name"] for branch in tree["branches"] if branch["kind"] != "unsupported"]
        assert all(branch["why"] for branch in tree["branches"] if branch["kind"] == "unsupported")
        arguments = ["specs", path, "--tree", tree["name"], "--json", "--branches", ",".join(readable), "--quiet"]
        done = run(
            *arguments, *(["--events", min(200, tree["entries"])] if len(readable) > 300 and tree["entries"] else [])
        )
        if not readable:
            assert "no branch is left" in done.error
        elif not tree["entries"]:
            assert "the files hold no event" in done.error
        else:
            assert done.code == 0, done.err
            assert sorted(json.loads(done.out)["branches"]) == sorted(readable)


@NEEDS_DATA
@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("faults")])
def test_specs_of_all_branches(name: str) -> None:
    path = DATA / name
    for tree in inspected(path)["trees"]:
        kinds = {branch["name"]: branch["kind"] for branch in tree["branches"]}
        if set(kinds.values()) <= {"unsupported"}:
            continue
        done = run("specs", path, "--tree", tree["name"], "--json", "--quiet")
        lost = DAMAGED.get(path.name, [])
        assert done.code == (2 if lost else 0), done.err
        found = json.loads(done.out)
        assert list(found.get("unreadable", [])) == lost
        assert all(kinds[name] != "unsupported" for name in found["branches"])


@NEEDS_DATA
@pytest.mark.parametrize("name", ["lv_a.root", "lv_b.root", "types2.root", "f16.root"])
def test_figures_are_those_of_root(name: str) -> None:
    truth = json.loads((DATA / "faults" / "truth.json").read_text(encoding="utf-8"))[name]
    found = json.loads(run("specs", DATA / "faults" / "root" / name, "--json", "--quiet").out)["branches"]
    for branch, expected in truth.items():
        figures = found[branch]
        assert figures["mean"] * expected.get("values", expected["entries"]) == pytest.approx(expected["sum"], rel=1e-9)
        for key, ours in (("min", "min"), ("max", "max")):
            if key in expected:
                assert figures[ours] == pytest.approx(expected[key], rel=1e-12)
