"""Specs of files without a training."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from mlaas4hep.config.specs_file import LegacySpecs
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import BranchNotFoundError
from mlaas4hep.streaming.monitor import Collector
from tests.support.workflows import specs_of
from tests.support.written import make_events, workflow_of, write_rntuple, write_ttree

ONE, TWO = make_events(90, seed=1, signal=True), make_events(60, seed=2, signal=False)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("summary")
    one = write_ttree(folder / "one.root", ONE, extra={"text": ["x"] * len(ONE)})
    return [one, write_rntuple(folder / "two.root", TWO)]


def configured(paths: list[Path], **settings: Any) -> Workflow:
    return workflow_of({path.stem: (path, None) for path in paths}, **settings)


def test_every_event_counts(paths: list[Path]) -> None:
    monitor = Collector()
    found = specs_of(configured(paths, features={"missing": [-999]}), monitor)
    assert found.events == {str(paths[0]): 90, str(paths[1]): 60}
    assert found.specs.events == 150
    met = found.specs.branches["met"].values
    real = [event["met"] for event in ONE + TWO if math.isfinite(event["met"])]
    assert (met.real, met.low, met.high) == (len(real), min(real), max(real))
    assert met.mean == pytest.approx(float(np.mean(np.array(real, dtype=np.float64))), rel=1e-12)
    cells = found.specs.branches["cells"]
    assert (cells.kind, cells.values.count) == ("jagged", 450)
    assert monitor.notes == ["left out (holds char*, not numbers): text"]
    assert not {"run", "event", "luminosityBlock", "nJet_pt", "text"} & set(found.specs.branches)


def test_json_has_the_original_keys_and_all_figures(paths: list[Path]) -> None:
    found = json.loads(json.dumps(specs_of(configured(paths), Collector()).to_json()))
    assert LegacySpecs.model_validate({k: v for k, v in found.items() if k != "branches"}).jdim["cells"] == 3
    assert found["events"] == {str(paths[0]): 90, str(paths[1]): 60, "total": 150}
    assert found["branches"]["charge"]["quantiles"]["0.5"] == 0.0


def test_cuts_and_a_limit(paths: list[Path]) -> None:
    monitor = Collector()
    found = specs_of(configured(paths, selection="charge == 1", events=20), monitor)
    assert sum(found.events.values()) == found.specs.events == 20
    charge = found.specs.branches["charge"].values
    assert (charge.low, charge.high) == (1.0, 1.0)
    assert any("charge == 1" in note for note in monitor.notes)


def test_table_for_people(paths: list[Path]) -> None:
    names = ["met", "cells", "Jet_pt"]
    found = specs_of(configured(paths, features={"include": names, "missing": [-999]}), Collector())
    lines = [line.split() for line in found.render().splitlines()]
    assert lines[0] == ["branch", "kind", "dim", "min", "max", "mean", "std", "missing"]
    rows = {line[0]: line for line in lines[1:]}
    assert set(rows) == set(names)
    values = found.specs.branches["met"].values
    missing = sum(not math.isfinite(event["met"]) for event in ONE + TWO)
    assert rows["met"][1:4] == ["flat", "1", repr(values.low)]
    assert rows["met"][-1] == str(missing)
    assert rows["cells"][1:3] == ["jagged", "3"]
    longest = max(len(event["Jet_pt"]) for event in ONE + TWO)
    assert rows["Jet_pt"][2] == str(longest)


def test_a_branch_without_values_has_no_figures(tmp_path: Path) -> None:
    events = [{**event, "met": math.nan} for event in ONE[:10]]
    path = write_ttree(tmp_path / "void.root", events, names=["met", "charge"])
    found = specs_of(configured([path]), Collector())
    (row,) = (line.split() for line in found.render().splitlines() if line.startswith("met"))
    assert row == ["met", "flat", "1", "-", "-", "-", "-", "10"]
    assert found.to_json()["branches"]["met"]["mean"] is None


def test_patterns_that_match_nothing(paths: list[Path]) -> None:
    monitor = Collector()
    specs_of(configured(paths, features={"exclude": ["Muon_*"], "missing": [-999]}), monitor)
    assert monitor.warnings == ["features.exclude names branches that do not exist: Muon_*"]
    with pytest.raises(BranchNotFoundError, match="no branch Muon_pt"):
        specs_of(configured(paths, features={"include": ["Muon_pt"]}), Collector())


@pytest.mark.parametrize("workers", [1, 3])
def test_order_and_workers_do_not_matter(paths: list[Path], workers: int) -> None:
    one = specs_of(configured(paths), Collector())
    other = specs_of(configured(paths[::-1], reading={"workers": workers}), Collector())
    assert json.dumps(one.specs.to_json()) == json.dumps(other.specs.to_json())
    assert one.events == other.events


def test_specs_tell_what_is_stored(shared_data: Path) -> None:
    """Doubles are not rounded to float32, 1e300 is a number, and integers beyond 2^53 keep every digit."""
    path = shared_data / "faults" / "root" / "edge.root"
    with uproot.open(path) as file:
        arrays = {name: file["Events"][name].array(library="np") for name in ("x", "dbl", "w", "big", "n", "event")}
    workflow = configured([path], features={"include": ["x", "dbl", "w", "big", "n", "event"]})
    found = specs_of(workflow, Collector())
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    table = {line.split()[0]: line.split() for line in found.render().splitlines()[1:]}
    for name, values in arrays.items():
        real = values[np.isfinite(values)]
        branch = content["branches"][name]
        assert (branch["min"], branch["max"]) == (real.min().item(), real.max().item())
        assert (content["minv"][name], content["maxv"][name]) == (branch["min"], branch["max"])
        assert [values.dtype.type(text) for text in table[name][3:5]] == [real.min(), real.max()]
        assert branch["infinite"] == int(np.isinf(values).sum())
        assert branch["missing"] == int(np.isnan(values).sum())
        assert branch["mean"] == pytest.approx(real.astype(np.float64).mean(), rel=1e-12)
    assert table["event"][3:5] == ["9007199254740993", "9007199254741992"]
    assert content["branches"]["big"]["large"] == int((arrays["big"] == 1e300).sum())


def test_unsigned_and_signed_integers_at_the_ends_of_their_types(tmp_path: Path) -> None:
    numbers = {
        "a": np.array([2**32 - 1, 2**32 - 3], dtype=np.uint32),
        "b": np.array([-(2**63), 2**63 - 1]),
        "c": np.array([0, 2**64 - 1], dtype=np.uint64),
        "d": np.array([-(2**31), 2**31 - 1], dtype=np.int32),
        "e": np.array([0, 255], dtype=np.uint8),
        "f": np.array([False, True]),
    }
    path = tmp_path / "ends.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: values.dtype for name, values in numbers.items()}).extend(numbers)
    content = json.loads(json.dumps(specs_of(configured([path]), Collector()).to_json()))
    for name, values in numbers.items():
        assert (content["branches"][name]["min"], content["branches"][name]["max"]) == (values.min(), values.max())
