from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.config import read_legacy_specs
from mlaas4hep.errors import ConfigError, FileReadError

SPECS: dict[str, Any] = {
    "jdim": {"Jet_pt": 5},
    "minv": {"Jet_pt": 20.5, "MET": 0.0},
    "maxv": {"Jet_pt": 900.0, "MET": 450.0},
    "fkeys": ["MET"],
    "jkeys": ["Jet_pt"],
    "nans": {"Jet_pt": float("nan")},
    "events": {"a.root": 100, "b.root": 50, "total": 150},
}


def written(folder: Path, specs: Any) -> Path:
    path = folder / "specs.json"
    path.write_text(json.dumps(specs))
    return path


def test_all_keys(tmp_path: Path) -> None:
    specs = read_legacy_specs(written(tmp_path, SPECS | {"attrs": {"more": 1}}))
    assert specs.jdim == {"Jet_pt": 5}
    assert specs.minv == SPECS["minv"]
    assert specs.maxv == SPECS["maxv"]
    assert (specs.fkeys, specs.jkeys) == (("MET",), ("Jet_pt",))
    assert specs.events["b.root"] == 50
    assert specs.total == 150


def test_events_may_be_absent(tmp_path: Path) -> None:
    assert read_legacy_specs(written(tmp_path, SPECS | {"events": {"a.root": 3, "b.root": 4}})).total == 7
    assert read_legacy_specs(written(tmp_path, SPECS | {"events": {}})).total is None


def test_a_branch_that_never_has_a_value(tmp_path: Path) -> None:
    empty = {"minv": {"Jet_pt": 1e15, "MET": 0}, "maxv": {"Jet_pt": -1e15, "MET": 1}, "jdim": {"Jet_pt": 0}}
    assert read_legacy_specs(written(tmp_path, SPECS | empty)).minv["Jet_pt"] == 1e15


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"jdim": {}}, "jagged branch Jet_pt is not in jdim"),
        ({"jdim": {"Jet_pt": -1}}, "jagged branch Jet_pt has the negative dimension -1"),
        ({"minv": {"MET": 0}}, "branch Jet_pt is not in minv"),
        ({"maxv": {"Jet_pt": 0}}, "branch MET is not in maxv"),
        ({"fkeys": ["MET", "Jet_pt"]}, "branch Jet_pt is in fkeys and in jkeys"),
        ({"fkeys": "MET"}, "fkeys: should be a list, is 'MET'"),
        ({"jdim": {"Jet_pt": "long"}}, "jdim.Jet_pt: should be a valid integer, is 'long'"),
    ],
)
def test_contradictions(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    path = written(tmp_path, SPECS | change)
    with pytest.raises(ConfigError) as caught:
        read_legacy_specs(path)
    assert str(caught.value) == f"{path}: {what}"


def test_a_key_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path, {key: value for key, value in SPECS.items() if key != "jkeys"})
    with pytest.raises(ConfigError) as caught:
        read_legacy_specs(path)
    assert str(caught.value) == f"{path}: required key 'jkeys' is missing"


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileReadError, match="no such file"):
        read_legacy_specs(tmp_path / "specs.json")
