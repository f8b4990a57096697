"""`train` and `workflow` on the example sample: legacy files, YAML, and every option."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pyarrow import parquet

from tests.cli.conftest import MODELS
from tests.support.cli import Outcome, run

NAMES = ("ggH_tautau", "Z_tautau", "W_lnu", "ttbar")
EVENTS = 1500


@pytest.fixture
def legacy(tmp_path: Path, pythia: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments for the original's files, which lie in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("files.txt").write_text("# signal first\n" + "".join(f"{pythia / name}.root\n" for name in NAMES))
    Path("labels.txt").write_text("1\n0\n0\n0\n")
    parameters = {"nevts": EVENTS, "exclude_branches": ["genWeight"], "weight_branch": "weight", "seed": 3}
    Path("params.json").write_text(json.dumps(parameters))
    Path("preproc.json").write_text(
        json.dumps(
            {
                "new_branch": {
                    "logHT": {"def": "log(HT)", "type": "flat", "cut": "logHT>3", "remove": "False",
                              "keys_to_remove": ["HT"]}
                },
                "flat_cut": {"nLepton": {"cut": "1<=nLepton<=3", "remove": "True"}},
                "jagged_cut": {"Jet_pt": {"cut": ["Jet_pt>15", "all"]}},
            }
        )
    )  # fmt: skip
    return [
        *("--files", "files.txt", "--labels", "labels.txt", "--params", "params.json", "--preproc", "preproc.json"),
        *("--model", str(MODELS / "decision_tree.py")),
    ]


@pytest.fixture
def workflow(tmp_path: Path, pythia: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Sections of a YAML file; `train` writes it into the working folder and runs it."""
    monkeypatch.chdir(tmp_path)
    return {
        "samples": [
            {"name": name, "files": str(pythia / f"{name}.root"), "label": "sig" if name == "ggH_tautau" else "bkg"}
            for name in NAMES
        ],
        "events": EVENTS,
        "features": {"include": ["MET_*", "Jet_pt", "Lepton_pt"]},
        "training": {"model": str(MODELS / "decision_tree.py"), "signal": "sig"},
    }


def train(workflow: dict[str, Any], *options: str) -> Outcome:
    Path("workflow.yaml").write_text(yaml.safe_dump(workflow, sort_keys=False))
    return run("train", "workflow.yaml", *options)


def listing() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


@pytest.mark.parametrize("command", ["train", "workflow"])
def test_the_legacy_files(legacy: list[str], command: str) -> None:
    before = listing()
    outcome = run(command, *legacy, "--fout", "higgs")
    assert outcome.code == 0, outcome.err
    assert listing() == sorted([*before, "higgs"])
    manifest = json.loads(Path("higgs/manifest.json").read_text())
    assert (manifest["name"], manifest["framework"], manifest["classes"]) == ("higgs", "sklearn", ["0", "1"])
    names = [branch["name"] for branch in manifest["features"]["branches"]]
    assert "logHT" in names
    assert not {"HT", "nLepton", "genWeight", "weight", "run", "event", "luminosityBlock"} & set(names)
    assert sum(file["selected"] for file in manifest["provenance"]["files"]) == EVENTS
    assert manifest["provenance"]["seeds"] == {"split": 3, "training": 3}
    for word in ("higgs: binary, 1 (signal) against 0", "ROC AUC", "bundle  higgs", "report  higgs/report.html"):
        assert word in outcome.out
    assert "1<=nLepton<=3" in outcome.err
    assert "all(Jet_pt>15)" in outcome.err


def test_values_in_place_of_lists(legacy: list[str], pythia: Path) -> None:
    files = ",".join(str(pythia / f"{name}.root") for name in NAMES[:2])
    outcome = run("train", *legacy, "--files", files, "--labels", "1,0", "--fout", "values", "--quiet")
    assert outcome.code == 0, outcome.err
    files_used = json.loads(Path("values/manifest.json").read_text())["provenance"]["files"]
    assert [file["label"] for file in files_used] == [1, 0]


def test_json_for_scripts(workflow: dict[str, Any]) -> None:
    outcome = train(workflow, "--fout", "higgs", "--json")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert (told["bundle"], told["served"]) == ("higgs", "onnx")
    assert told["metrics"] == json.loads(Path("higgs/metrics.json").read_text())
    manifest = json.loads(Path("higgs/manifest.json").read_text())
    assert manifest["signal"] == "sig"
    assert [branch["name"] for branch in manifest["features"]["branches"]] == [
        "MET_pt",
        "MET_phi",
        "Lepton_pt",
        "Jet_pt",
    ]


def test_an_archive(workflow: dict[str, Any]) -> None:
    outcome = train(workflow, "--fout", "sub/higgs.tar.gz")
    assert outcome.code == 0, outcome.err
    assert "bundle  sub/higgs.tar.gz" in outcome.out
    assert [path.name for path in Path("sub").iterdir()] == ["higgs.tar.gz"]
    with tarfile.open("sub/higgs.tar.gz") as archive:
        names = archive.getnames()
    assert {"manifest.json", "model.onnx", "report.html"} <= {name.rpartition("/")[2] for name in names}


def test_quiet(workflow: dict[str, Any]) -> None:
    outcome = train(workflow, "--fout", "higgs", "--quiet")
    assert (outcome.code, outcome.out) == (0, "")
    assert all(line.startswith("warning: ") for line in outcome.err.splitlines())


def test_the_split_of_every_event(workflow: dict[str, Any]) -> None:
    outcome = train({**workflow, "selection": "MET_pt > 20"}, "--fout", "higgs", "--split-out", "split.parquet")
    assert outcome.code == 0, outcome.err
    table = parquet.read_table("split.parquet").to_pydict()
    metrics = json.loads(Path("higgs/metrics.json").read_text())["parts"]
    for part, name in enumerate(("train", "validation", "test")):
        assert np.equal(table["part"], part).sum() == metrics[name]["events"]
    assert len(set(zip(table["file"], table["entry"], strict=True))) == EVENTS
    assert set(np.array(table["y"])[np.equal(table["file"], 0)]) == {1}


def test_the_same_command_gives_the_same_bundle(workflow: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    outputs, bundles = [], []
    for _ in range(2):
        outcome = train(workflow, "--fout", "higgs")
        assert outcome.code == 0, outcome.err
        outputs.append(outcome.out)
        bundles.append({str(path): path.read_bytes() for path in Path("higgs").rglob("*") if path.is_file()})
    assert outputs[0] == outputs[1]
    assert bundles[0] == bundles[1]
    assert listing() == ["higgs", "workflow.yaml"]


def test_a_setting_that_means_something_else_is_warned_of(legacy: list[str]) -> None:
    parameters = json.loads(Path("params.json").read_text())
    Path("params.json").write_text(json.dumps({**parameters, "nan": -1, "training": "per chunk"}))
    outcome = run("train", *legacy, "--fout", "higgs")
    assert outcome.code == 0, outcome.err
    padding = (
        "params.json: nan: padding is always NaN here, so -1 is not used; `missing` lists values that mean missing"
    )
    chunks = "params.json: training: 'per chunk' is not 'standard', so all epochs go over one chunk, then over the next"
    assert outcome.warnings.count(padding) == 1
    assert outcome.warnings.count(chunks) == 1
    assert {padding, chunks} <= set(json.loads(Path("higgs/manifest.json").read_text())["warnings"])
    assert "warnings above; the report keeps them" in outcome.out


def test_patterns_that_match_nothing_are_warned_of(workflow: dict[str, Any]) -> None:
    features = {"include": ["MET_pt", "Jet_pt"], "exclude": ["Tau_*"], "length": {"Jte_*": 2, "Jet_*": 3, "default": 4}}
    outcome = train({**workflow, "features": features}, "--quiet")
    assert outcome.code == 0
    assert outcome.warnings[:2] == [
        "features.exclude names branches that do not exist: Tau_*",
        "features.length names features that do not exist: Jte_*",
    ]


def test_resume_without_a_checkpoint(workflow: dict[str, Any]) -> None:
    outcome = train(workflow, "--fout", "higgs", "--resume")
    assert outcome.code == 0
    assert "higgs.checkpoint: no checkpoint is there, so the training starts from the beginning" in outcome.err
