"""The user's preprocessing from training to prediction: as expressions that say the same, and never run unasked."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot
import yaml

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.config.yaml_file import read_yaml
from mlaas4hep.inference.settings import Settings
from mlaas4hep.streaming.dataset.dataset import Block, Order
from mlaas4hep.streaming.files import opened
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.user_function.function import EventFunction, load_function
from mlaas4hep.training.events.first_pass import first_pass
from mlaas4hep.training.fitting.checkpoint import training_key
from mlaas4hep.training.fitting.dataset import open_dataset
from tests.support.cli import run
from tests.support.live import live_server
from tests.support.workflows import prepare

pytestmark = pytest.mark.usefixtures("without_report")

MODEL = "from sklearn.linear_model import LogisticRegression\ndef model():\n    return LogisticRegression()\n"
CODE = """
import awkward as ak

branches = ["x", "y", "j"]

def preprocessing(events):
    events["r"] = events.x * 2 + events.y
    events["top"] = ak.max(events.j, axis=1)
    return events[events.x > -1]
"""
RECORD = """
def preprocessing(record):
    record["r"] = record["x"] * 2 + record["y"]
    record["top"] = max(record["j"], default=None)
    return record if record["x"] > -1 else None
"""
EVENTS = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files, the model, and configurations of the same training with a function and with expressions."""
    place = tmp_path_factory.mktemp("preprocessing")
    for name, mean in (("a", 0.7), ("b", 0.0)):
        rng = np.random.default_rng(int(mean * 10))
        counts = rng.integers(0, 4, EVENTS)
        columns: dict[str, Any] = {
            "x": rng.normal(mean, 1, EVENTS),
            "y": rng.normal(-mean, 1, EVENTS),
            "w": rng.uniform(0.5, 2.0, EVENTS),
            "run": np.ones(EVENTS, np.int64),
            "luminosityBlock": np.arange(EVENTS) // 50,
            "event": rng.permutation(EVENTS),
            "j": ak.unflatten(rng.exponential(1 + mean, counts.sum()), counts),
        }
        with uproot.recreate(place / f"{name}.root") as file:
            types = {key: "var * float64" if key == "j" else value.dtype for key, value in columns.items()}
            file.mktree("Events", types).extend(columns)
    for name, text in (("model.py", MODEL), ("code.py", CODE), ("record.py", RECORD)):
        (place / name).write_text(text)
    shared: dict[str, Any] = {
        "samples": [{"name": name, "files": f"{name}.root", "label": name} for name in "ab"],
        "features": {"include": ["x", "r", "top"], "length": {"j": 1}},
        "weights": {"branch": "w"},
        "training": {"model": "model.py", "signal": "a"},
    }
    ways: dict[str, dict[str, Any]] = {
        "code": {"preprocessing": "code.py"},
        "record": {"preprocessing": "record.py"},
        "expressions": {"variables": {"r": "x * 2 + y", "top": "max(j)"}, "selection": "x > -1"},
    }
    for name, way in ways.items():
        (place / f"{name}.yaml").write_text(yaml.safe_dump({**shared, **way}))
        done = run("train", place / f"{name}.yaml", "--fout", place / name, "--split-out", place / f"{name}.parquet")
        assert done.code == 0, done.err
    return place


def loaded(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize("way", ["code", "record"])
def test_it_trains_the_model_of_the_expressions(folder: Path, way: str) -> None:
    ours, theirs = (loaded(folder / name / "manifest.json") for name in (way, "expressions"))
    assert ours["features"] == theirs["features"]
    assert loaded(folder / way / "metrics.json") == loaded(folder / "expressions" / "metrics.json")
    assert (folder / way / "model.onnx").read_bytes() == (folder / "expressions" / "model.onnx").read_bytes()
    split, other = (pq.read_table(folder / f"{name}.parquet").to_pylist() for name in (way, "expressions"))
    assert split == other


def test_the_cutflow_has_a_line_for_it(folder: Path) -> None:
    done = run("train", folder / "code.yaml", "--fout", folder / "again")
    lines = [line.split() for line in done.err.splitlines() if line.strip().startswith("preprocessing ")]
    left = [int((uproot.open(folder / f"{name}.root")["Events"]["x"].array() > -1).to_numpy().sum()) for name in "ab"]
    assert [int(line[1]) for line in lines] == [*left, sum(left)]


def test_the_bundle_keeps_it_with_its_checksum(folder: Path) -> None:
    text = (folder / "code" / "preprocessing.py").read_text()
    manifest = loaded(folder / "code" / "manifest.json")
    assert text == CODE
    assert manifest["preprocessing"] == {
        "file": "preprocessing.py",
        "sha256": hashlib.sha256(CODE.encode()).hexdigest(),
        "given": ["x", "y", "j"],
        "computed": ["x", "y", "j", "r", "top"],
        "selected": "passes_preprocessing",
    }
    assert manifest["files"]["preprocessing.py"]["sha256"] == manifest["preprocessing"]["sha256"]
    assert {entry["name"]: entry["computed"] for entry in manifest["inputs"]} == {
        "x": True,
        "r": True,
        "top": True,
        "passes_preprocessing": True,
    }
    assert "preprocessing" not in loaded(folder / "expressions" / "manifest.json")


def test_a_prediction_runs_it_if_it_is_trusted(folder: Path, tmp_path: Path) -> None:
    arguments = ["predict", folder / "code", folder / "b.root", folder / "a.root", "-o"]
    done = run(*arguments, tmp_path / "no.parquet")
    assert done.code == 2
    assert "branches are computed by the preprocessing.py in the bundle, which is not trusted: x, y, j" in done.error
    assert not (tmp_path / "no.parquet").exists()
    assert run(*arguments, tmp_path / "code.parquet", "--trust-code").code == 0
    expressions = ["predict", folder / "expressions", *arguments[2:]]
    assert run(*expressions, tmp_path / "expressions.parquet").code == 0
    ours, theirs = (pq.read_table(tmp_path / f"{name}.parquet").to_pydict() for name in ("code", "expressions"))
    scores, selected = np.array(ours.pop("score")), np.array(ours["selected"])
    np.testing.assert_array_equal(scores[selected], np.array(theirs.pop("score"))[selected])
    assert np.isnan(scores[~selected]).all()
    assert 0 < selected.sum() < len(selected) == 2 * EVENTS
    assert ours == theirs  # file, entry, selected, identifiers and weight, of all events


def test_an_evaluation_runs_it_if_it_is_trusted(folder: Path) -> None:
    options = ["--files", f"{folder}/a.root,{folder}/b.root", "--labels", "a,b", "--json"]
    assert "not trusted" in run("evaluate", folder / "code", *options).error
    ours = run("evaluate", folder / "code", *options, "--trust-code")
    theirs = run("evaluate", folder / "expressions", *options)
    assert json.loads(ours.out)["parts"] == json.loads(theirs.out)["parts"]


def test_a_server_does_not_run_it(folder: Path, tmp_path: Path) -> None:
    """It says which branches it expects computed, takes them so, and refuses files."""
    shutil.copytree(folder / "code", tmp_path / "models" / "code" / "1")
    with live_server(Settings(repository=tmp_path / "models")) as live:
        about = live.client.get("/api/models/code/versions/1/metadata").json()
        assert about["metadata"]["computed_branches"] == list(about["branches"]) == ["x", "r", "top"]
        event = {"keys": ["top", "r", "x"], "values": [2.5, 1.0, 0.5], "model": "code"}
        answer = live.client.post("/json", json=event)
        with load_bundle(folder / "code") as bundle:
            scores = bundle.scorer().scores(np.array([[0.5, 1.0, 2.5]], np.float32))
        np.testing.assert_allclose(answer.json(), scores[0], rtol=1e-6)
        refused = live.client.post("/predict/root", content=(folder / "a.root").read_bytes())
    assert refused.status_code == 400
    assert "preprocessing.py computes its branches, and no server runs that" in refused.json()["error"]
    assert "compute x, y, j, r, top and send them to /predict" in refused.json()["error"]


def test_limits_chunks_and_threads_change_nothing(folder: Path) -> None:
    """As many events as asked for, in small chunks by two threads: the rows are those of the expressions."""
    rows = []
    for name in ("code", "record", "expressions"):
        workflow = read_yaml(folder / f"{name}.yaml")
        reading = workflow.reading.model_copy(update={"chunk_size": 37, "workers": 2})
        workflow = workflow.model_copy(update={"events": 150, "reading": reading})
        function = load_function(workflow.preprocessing)
        with opened(workflow.samples, workflow.tree, reading, function=function) as files:
            prepared = prepare(workflow, files, Collector())
            layout = prepared.columns(workflow).layout
            dataset = open_dataset(prepared.first, prepared.labelled.labels, layout, reading, Collector())
            blocks = Block.join(list(dataset.in_order()))
            chunks = [chunk for part in range(3) for chunk in dataset.chunks(part, Order(3, 1))]
            dataset.close()
        fields = [getattr(blocks, field).tobytes() for field in ("raw", "y", "weight", "part", "file", "entry")]
        rows.append([len(blocks), *fields, *(chunk.x.tobytes() for chunk in chunks)])
    assert rows[0][0] == 150
    assert rows[0] == rows[2]
    assert rows[1] == rows[2]


def test_text_of_a_table_becomes_the_label(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    kinds = rng.choice(["ggH", "VBF", "ttbar"], 300)
    values = rng.normal(kinds != "ttbar", 1)
    lines = [f"{value},{kind}" for value, kind in zip(values, kinds, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["x,process", *lines, ""]))
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "code.py").write_text(
        "def preprocessing(record):\n    record['higgs'] = record['process'] in ('ggH', 'VBF')\n    return record\n"
    )
    sections = {
        "samples": [{"name": "all", "files": "a.csv"}],
        "label_branch": "higgs",
        "preprocessing": "code.py",
        "training": {"model": "model.py"},
    }
    (tmp_path / "w.yaml").write_text(yaml.safe_dump(sections))
    done = run("train", tmp_path / "w.yaml", "--fout", tmp_path / "m", "--json")
    assert done.code == 0, done.err
    parts = json.loads(done.out)["metrics"]["parts"].values()
    assert sum(part["classes"]["1"]["events"] for part in parts) == int((kinds != "ttbar").sum())


def test_the_original_option(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.json").write_text(
        json.dumps({"split": 0.2, "selected_branches": ["x", "r", "top"], "weight_branch": "w", "signal": "a"})
    )
    options = {"files": f"{folder}/a.root,{folder}/b.root", "labels": "a,b", "model": folder / "model.py"}
    given = [part for key, value in options.items() for part in (f"--{key}", value)]
    done = run("workflow", *given, "--params", "params.json", "--preproc", folder / "record.py", "--fout", "old")
    assert done.code == 0, done.err
    assert "record.py: called with one event after another; preprocessing(events) is faster" in done.err
    old, new = (loaded(path / "manifest.json") for path in (tmp_path / "old", folder / "record"))
    assert old["features"] == new["features"]
    assert run("reader", "--fin", f"{folder}/a.root", "--preproc", folder / "code.py", "--fout", "specs.json").code == 0
    assert "top" in loaded(tmp_path / "specs.json")["fkeys"]


def test_another_function_is_another_training(folder: Path, tmp_path: Path) -> None:
    """The cache of the function as it was is not used."""
    for name in ("a.root", "b.root", "model.py", "code.py", "code.yaml"):
        shutil.copy(folder / name, tmp_path / name)
    arguments = ["train", tmp_path / "code.yaml", "--cache", tmp_path / "cache", "--fout"]
    first, second = (run(*arguments, tmp_path / f"bundle{number}") for number in range(2))
    assert "they are computed" in first.err
    assert "are used again" in second.err
    (tmp_path / "code.py").write_text(CODE.replace("* 2", "* 3"))
    third = run(*arguments, tmp_path / "bundle2")
    assert "they are computed" in third.err
    assert "are used again" not in third.err
    models = [(tmp_path / f"bundle{number}" / "model.onnx").read_bytes() for number in range(3)]
    assert models[0] == models[1] != models[2]


def test_another_function_is_another_checkpoint(folder: Path) -> None:
    workflow = read_yaml(folder / "code.yaml")
    keys = []
    for code in (CODE, CODE.replace("* 2", "* 3"), CODE):
        function = EventFunction("code.py", code.encode())
        with opened(workflow.samples, workflow.tree, workflow.reading, function=function) as files:
            first = first_pass(files, workflow.event_settings, workflow.reading, Collector())
            keys.append(training_key({}, folder / "model.py", None, files, replace(first.scan, files=[])))
    assert keys[0] == keys[2]
    assert keys[0]["preprocessing"] != keys[1]["preprocessing"]


def test_mistakes(folder: Path, tmp_path: Path) -> None:
    text = (folder / "code.yaml").read_text()
    for name in ("a.root", "b.root", "model.py"):
        shutil.copy(folder / name, tmp_path / name)
    (tmp_path / "w.yaml").write_text(text)
    assert f"{tmp_path}/code.py: no such file" in run("train", tmp_path / "w.yaml", "--fout", tmp_path / "m").error
    (tmp_path / "code.py").write_text("def preprocessing(events):\n    return events[events.x > 1e9]\n")
    (tmp_path / "w.yaml").write_text(text.replace("  - r\n", "").replace("  - top\n", ""))
    done = run("train", tmp_path / "w.yaml", "--fout", tmp_path / "m")
    assert done.code == 2
    assert "no event is left after the cuts" in done.err
    (tmp_path / "code.py").write_text("def preprocessing(events):\n    return 1 / 0\n")
    error = run("train", tmp_path / "w.yaml", "--fout", tmp_path / "m").error
    assert f"{tmp_path}/code.py, line 2: preprocessing failed: ZeroDivisionError: division by zero" in error
    assert not (tmp_path / "m").exists()
