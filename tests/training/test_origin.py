"""Times of 1.6e9 s that differ by seconds, from ROOT files through training, bundle, prediction and server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import uproot
from sklearn.metrics import roc_auc_score

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.config import Reading
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.inference.events.featuriser import Featuriser
from mlaas4hep.prediction.evaluate import evaluate_bundle
from mlaas4hep.prediction.predict import predict_files
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.workflow import run_training
from tests.support.cli import run
from tests.support.written import model_file

SIZE = 3000
MODEL = "LogisticRegression()"
IMPORTS = "from sklearn.linear_model import LogisticRegression"


def columns(seed: int, shift: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "when": 1.6e9 + 20.0 + shift + rng.normal(0.0, 3.8, SIZE),
        "tick": (2**31 - 2000 + rng.normal(0.0, 50.0, SIZE) + 5 * shift).astype(np.int32),
        "pt": rng.exponential(30.0, SIZE).astype(np.float32),
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path], Workflow, Collector]:
    folder = tmp_path_factory.mktemp("origin")
    paths = {}
    for name, seed, shift in (("background", 1, -5.0), ("signal", 2, 5.0)):
        paths[name] = folder / f"{name}.root"
        content = columns(seed, shift)
        content["when"][::50] = -1.0
        with uproot.recreate(paths[name]) as file:
            file.mktree("Events", {key: values.dtype for key, values in content.items()}).extend(content)
    workflow = Workflow.model_validate(
        {
            "samples": [{"name": n, "files": [str(p)], "label": int(n == "signal")} for n, p in paths.items()],
            "tree": "Events",
            "features": {"missing": [-1.0]},
            "reading": {"cache": str(folder / "cache")},
            "training": {"model": str(model_file(folder, MODEL, IMPORTS))},
        }
    )
    monitor = Collector()
    run_training(workflow, folder / "bundle", monitor)
    return folder / "bundle", paths, workflow, monitor


def test_the_model_learns_them(trained: tuple[Path, dict[str, Path], Workflow, Collector]) -> None:
    bundle, paths, workflow, monitor = trained
    metrics = json.loads((bundle / "metrics.json").read_text())
    assert metrics["parts"]["test"]["unweighted"]["auc"] > 0.9
    (note,) = (text for text in monitor.notes if "an origin is subtracted" in text)
    assert "when (from 1600000020.0)" in note
    assert "tick (from 2147481" in note
    again = Collector()
    result = run_training(workflow, bundle.with_name("again"), again)
    assert any("used again" in text for text in again.notes)
    assert result.metrics == metrics
    with load_bundle(bundle) as loaded:
        evaluation = evaluate_bundle(loaded, workflow.samples, workflow.reading, Collector())
    whole = evaluation.metrics["parts"]["data"]["unweighted"]["auc"]
    assert whole > 0.9
    del paths


def test_prediction_server_and_onnx_agree(
    trained: tuple[Path, dict[str, Path], Workflow, Collector], tmp_path: Path
) -> None:
    bundle, paths, _, _ = trained
    with load_bundle(bundle) as loaded:
        predict_files(loaded, [str(p) for p in paths.values()], tmp_path / "s.root", Collector(), reading=Reading())
        physics = Featuriser(loaded)
        manifest = json.loads((bundle / "manifest.json").read_text())
        params = json.loads((bundle / "params.json").read_text())
    with uproot.open(tmp_path / "s.root") as file:
        scores = file["scores"]["score"].array(library="np")
    events = {}
    for key in ("when", "tick", "pt"):
        events[key] = np.concatenate([uproot.open(p)["Events"][key].array(library="np") for p in paths.values()])
    label = np.repeat([0, 1], SIZE)
    assert roc_auc_score(label, scores) > 0.9
    origins = {branch["name"]: branch["origin"] for branch in manifest["features"]["branches"]}
    assert params["origins"] == {name: origin for name, origin in origins.items() if origin}
    raw = np.stack(
        [(events[n].astype(np.float64) - origins[n]).astype(np.float32) for n in origins], axis=1
    )  # as any client may
    raw[events["when"] == -1.0, list(origins).index("when")] = np.nan
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    by_hand = session.run(["scores"], {"features": raw})[0][:, 0]
    np.testing.assert_allclose(by_hand, scores, atol=1e-6)
    some = slice(0, 60)
    lists = {key: values[some].tolist() for key, values in events.items()}
    rows = [{key: values[index] for key, values in lists.items()} for index in range(60)]
    for found in (
        physics.columns({key: values[some] for key, values in events.items()}),
        physics.columns(lists),
        physics.records(rows),
        np.concatenate([physics.records([row]) for row in rows]),
        np.concatenate([physics.keys_values(list(row), list(row.values())) for row in rows]),
    ):
        np.testing.assert_array_equal(found, raw[some])


def test_a_bundle_from_before_has_no_origin(trained: tuple[Path, dict[str, Path], Workflow, Collector]) -> None:
    from mlaas4hep.bundle.manifest import read_manifest

    manifest = json.loads((trained[0] / "manifest.json").read_text())
    for branch in manifest["features"]["branches"]:
        del branch["origin"]
    assert {branch.origin for branch in read_manifest(json.dumps(manifest), "b").layout.branches} == {0.0}


def test_events_unlike_those_of_the_training_are_counted(
    trained: tuple[Path, dict[str, Path], Workflow, Collector], tmp_path: Path
) -> None:
    content = columns(3, 0.0)
    content["pt"][:600] = -999.0
    content["when"] += 3600.0
    with uproot.recreate(tmp_path / "later.root") as file:
        file.mktree("Events", {key: values.dtype for key, values in content.items()}).extend(content)
    outcome = run("predict", trained[0], tmp_path / "later.root", "-o", tmp_path / "s.csv", "--json")
    assert outcome.code == 0
    found = json.loads(outcome.out)["outside"]
    assert (found["pt"]["min"], found["pt"]["mostly"]) == (-999.0, -999.0)
    assert 600 <= found["pt"]["values"] < 640  # few are beyond the extremes of the training part, which is random
    assert (found["when"]["values"], found["when"]["share"]) == (SIZE, 1.0)
    assert found["when"]["max"] == pytest.approx(content["when"].max(), abs=1e-3)
    assert "outside the range that the model was trained on: when (3000, 100 %)" in " ".join(outcome.err.split())
    assert "mostly -999" in " ".join(outcome.err.split())
