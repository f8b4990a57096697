"""A branch that cannot be read is named, and takes no other branch with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import BranchReadError, ConfigError
from mlaas4hep.streaming.files import close_files, open_files
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.scan.branches import choose_branches
from mlaas4hep.streaming.scan.summary import FileSpecs
from tests.support.cli import run
from tests.support.workflows import specs_of

EVENTS = 3000


def settings(*paths: Path, tree: str = "Events", **other: Any) -> Workflow:
    return Workflow.model_validate(
        {
            "samples": [{"name": "files", "files": [str(path) for path in paths]}],
            "tree": tree,
            "identifier": [],
            **other,
        }
    )


@pytest.fixture(params=["TTree", "RNTuple"])
def damaged(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Branches x, bad and y; the second basket, or page, of the second has lost its bytes."""
    path = tmp_path / "damaged.root"
    rng = np.random.default_rng(1)
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        for start in range(0, EVENTS, EVENTS // 3):
            numbers = np.arange(start, start + EVENTS // 3)
            values = {
                "x": numbers.astype("f8"),
                "bad": rng.normal(size=len(numbers)).astype("f4"),
                "y": -numbers.astype("f4"),
            }
            if not start:
                make = file.mktree if request.param == "TTree" else file.mkrntuple
                tree = make("Events", {name: array.dtype for name, array in values.items()})
            tree.extend(values)
    with uproot.open(path) as file:
        tree = file["Events"]
        if request.param == "TTree":
            seek, size = (int(tree["bad"].member(name)[1]) for name in ("fBasketSeek", "fBasketBytes"))
        else:
            place = tree.page_link_list[1][1].pages[0].locator
            seek, size = int(place.offset), int(place.num_bytes)
    content = bytearray(path.read_bytes())
    content[seek + 100 : seek + size] = bytes(size - 100)
    path.write_bytes(content)
    return path


def figures(found: FileSpecs, name: str) -> tuple[float, float, float]:
    values = found.specs.branches[name].values
    return values.low, values.high, values.mean


@pytest.mark.parametrize("cut", [[], ["x >= 0"]])
def test_specs_of_the_others(damaged: Path, cut: list[str]) -> None:
    found = specs_of(settings(damaged, selection=cut), Collector())
    assert figures(found, "x") == (0.0, EVENTS - 1, (EVENTS - 1) / 2)
    assert figures(found, "y") == (1.0 - EVENTS, 0.0, -(EVENTS - 1) / 2)
    assert found.unreadable.keys() == {"bad"}
    assert "cannot be read" in found.unreadable["bad"]
    assert any(line.startswith("bad") and "cannot be read" in line for line in found.render().splitlines())
    assert list(found.to_json()["unreadable"]) == ["bad"]


def test_what_a_cut_needs_cannot_be_done_without(damaged: Path) -> None:
    with pytest.raises(BranchReadError, match=r"branch bad cannot be read"):
        specs_of(settings(damaged, selection=["bad > 0"]), Collector())


def test_command_says_so(damaged: Path) -> None:
    done = run("specs", str(damaged), "--json")
    assert done.code == 2
    assert list(json.loads(done.out)["unreadable"]) == ["bad"]
    assert json.loads(done.out)["maxv"] == {"x": EVENTS - 1.0, "y": 0.0}
    assert "error: bad cannot be read" in done.err
    assert run("specs", str(damaged), "--exclude", "bad").code == 0


def test_lists_without_offsets(shared_data: Path) -> None:
    """The list of branches knows already what reading would find out; the others are as uproot reads them."""
    path = shared_data / "faults" / "root" / "uproot-small-dy-nooffsets.root"
    found = specs_of(settings(path, tree="tree"), Collector())
    assert found.unreadable.keys() == {"Jet_jetId", "Jet_pt"}
    with uproot.open(path) as file:
        tree = file["tree"]
        for name in ("nJet", "MET_pt"):
            array = tree[name].array(library="np")
            low, high, mean = figures(found, name)
            assert (low, high) == (array.min(), array.max())
            assert mean == pytest.approx(array.astype(float).mean())
    files = open_files(settings(path).samples, "tree", settings(path).reading)
    with pytest.raises(BranchReadError, match=r"uproot-small-dy-nooffsets\.root: branch Jet_jetId .*features\.exclude"):
        choose_branches(files, settings(path, tree="tree").event_settings)
    choice = choose_branches(files, settings(path, tree="tree", features={"exclude": ["Jet_*"]}).event_settings)
    assert choice.features == ("nJet", "nMuon", "MET_pt", "Muon_charge", "Muon_pt")
    close_files(files)


def test_a_type_that_is_not_read(shared_data: Path) -> None:
    found = specs_of(settings(shared_data / "faults" / "root" / "f16.root"), Collector())
    assert list(found.specs.branches) == ["n", "pt"]
    assert figures(found, "pt") == (0.0, 499.0, 249.5)
    assert not found.unreadable


def write(path: Path, **values: float) -> Path:
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {name.replace("__", "."): "f4" for name in values})
        tree.extend({name.replace("__", "."): np.full(5, value) for name, value in values.items()})
    return path


def test_a_name_that_means_another_branch_in_another_file(tmp_path: Path) -> None:
    both = write(tmp_path / "both.root", Jet__pt=1.0, Jet_pt=100.0)
    dot = write(tmp_path / "dot.root", Jet__pt=1.0)
    line = write(tmp_path / "line.root", Jet_pt=100.0)
    with pytest.raises(ConfigError, match=r"Jet_pt is the branch Jet[._]pt here, and Jet[._]pt in "):
        specs_of(settings(both, dot, features={"include": ["Jet_pt"]}), Collector())
    found = specs_of(settings(both, line, features={"include": ["Jet_pt"]}), Collector())
    assert figures(found, "Jet_pt") == (100.0, 100.0, 100.0)
    assert figures(specs_of(settings(dot, line), Collector()), "Jet_pt")[:2] == (1.0, 100.0)
