"""The main job from files to a bundle, against the same done by hand with scikit-learn."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, roc_auc_score

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.errors import ConfigError, MemoryLimitError, ModelFileError
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Block, Dataset
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.workflow import run_training
from tests.support.budgets import ROOMY
from tests.support.trained import Independent, Interrupting, Small, configured, streamed
from tests.support.workflows import opened, prepare
from tests.support.written import model_file


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_metrics_are_those_of_the_same_model_trained_by_hand(small: Small, reference: Independent) -> None:
    train = reference.part == 0
    model = LogisticRegression(max_iter=500)
    model.fit(reference.x[train], reference.y[train], sample_weight=reference.training_weight[train])
    scores = model.predict_proba(reference.x)[:, 1]
    for index, name in enumerate(("train", "validation", "test")):
        chosen = reference.part == index
        found = small.result.metrics["parts"][name]
        assert found["events"] == chosen.sum()
        assert found["sum_of_weights"] == pytest.approx(reference.weight[chosen].sum(), rel=1e-12)
        for kind, weight in (("unweighted", None), ("weighted", reference.weight[chosen])):
            y, mine = reference.y[chosen], scores[chosen]
            assert found[kind]["auc"] == pytest.approx(roc_auc_score(y, mine, sample_weight=weight), abs=1e-4)
            assert found[kind]["loss"] == pytest.approx(log_loss(y, mine, sample_weight=weight), abs=1e-4)
            accuracy = accuracy_score(y, mine >= 0.5, sample_weight=weight)
            assert found[kind]["accuracy"] == pytest.approx(accuracy, abs=1e-9)
            matrix = confusion_matrix(y, mine >= 0.5, sample_weight=weight)
            np.testing.assert_allclose(found[kind]["confusion"], matrix, rtol=1e-9)


def test_features_are_those_computed_by_hand(small: Small, reference: Independent) -> None:
    with load_bundle(small.bundle) as bundle:
        layout = bundle.layout
    assert set(layout.columns) == set(reference.columns)
    with opened(small.workflow) as files:
        prepared = prepare(small.workflow, files, Collector())
        assert prepared.columns(small.workflow).layout == layout
        target = prepared.labelled.labels.target
        dataset = Dataset(
            files, prepared.first.pipeline, prepared.first.scan, layout, target, chunk_size=-1, budget=ROOMY
        )
        whole = Block.join(list(dataset.in_order()))
    order = np.lexsort((whole.entry, whole.file))
    mine = layout.transform(whole.raw)[order]
    by_name = [reference.columns.index(name) for name in layout.columns]
    np.testing.assert_allclose(mine, reference.x[:, by_name], rtol=2e-6, atol=1e-6)
    session = onnxruntime.InferenceSession(small.bundle / "model.onnx")
    assert session.get_inputs()[0].shape[1] == layout.width


def test_ams_is_scaled_to_the_full_sample(small: Small, reference: Independent) -> None:
    ams = small.result.metrics["ams"]
    totals = [reference.weight[reference.y == index].sum() for index in (0, 1)]
    np.testing.assert_allclose(ams["totals"], totals, rtol=1e-12)


def test_result_and_bundle(small: Small) -> None:
    result = small.result
    assert (result.bundle, result.served, result.reason) == (small.bundle, "onnx", None)
    assert json.loads((small.bundle / "metrics.json").read_text()) == result.metrics
    assert list(result.warnings) == small.monitor.warnings
    assert len(result.warnings) == len(set(result.warnings))
    expected = {
        "manifest.json", "model.onnx", "metrics.json", "specs.json", "preproc.json", "params.json", "config.pbtxt",
        "report.html",
    }  # fmt: skip
    names = {path.name for path in small.bundle.iterdir()}
    assert expected | {"native"} <= names
    assert not list(small.folder.glob("*.checkpoint"))
    assert not list(small.folder.glob(".*"))


@pytest.fixture(scope="module")
def repeated(small: Small, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same run twice at the same time of day, and one with everything that must not matter turned round."""
    folder = tmp_path_factory.mktemp("repeated")
    turned = configured(
        small.folder,
        dict(reversed(small.paths.items())),
        reading={"workers": 3, "chunk_size": 77, "memory_limit": "1 MB"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        run_training(small.workflow, folder / "one", Collector())
        run_training(small.workflow, folder / "two", Collector())
        run_training(turned, folder / "turned", Collector())
    return {path.name: path for path in folder.iterdir()}


def test_the_same_run_gives_the_same_bytes(repeated: dict[str, Path]) -> None:
    one, two = digests(repeated["one"]), digests(repeated["two"])
    assert "report.html" in one
    assert one == two
    assert json.loads((repeated["one"] / "manifest.json").read_text())["created"] == "2023-11-14T22:13:20Z"


def test_order_of_files_workers_and_memory_do_not_change_the_model(repeated: dict[str, Path]) -> None:
    one, turned = digests(repeated["one"]), digests(repeated["turned"])
    same = {name for name in one if one[name] == turned[name]}
    assert {"model.onnx", "metrics.json"} <= same
    assert {name for name in one if name.startswith("native/")} <= same


@pytest.mark.usefixtures("without_report")
def test_streaming_from_files_and_from_memory_give_the_same_model(small: Small, tmp_path: Path) -> None:
    run_training(streamed(small, tmp_path), tmp_path / "memory", Collector())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Budget, "keep", -1)
        run_training(streamed(small, tmp_path), tmp_path / "files", Collector())
    run_training(streamed(small, tmp_path, cache=tmp_path / "cache"), tmp_path / "cached", Collector())
    run_training(streamed(small, tmp_path, cache=tmp_path / "cache"), tmp_path / "again", Collector())
    for name in ("files", "cached", "again"):
        assert (tmp_path / "memory/model.onnx").read_bytes() == (tmp_path / name / "model.onnx").read_bytes()


@pytest.mark.usefixtures("without_report")
def test_an_interrupted_training_is_resumed_to_the_same_model(small: Small, tmp_path: Path) -> None:
    workflow = streamed(small, tmp_path)
    run_training(workflow, tmp_path / "whole", Collector())
    with pytest.raises(KeyboardInterrupt):
        run_training(workflow, tmp_path / "resumed", Interrupting(2))
    assert (tmp_path / "resumed.checkpoint").is_dir()
    assert not (tmp_path / "resumed").exists()
    run_training(workflow, tmp_path / "resumed", Collector(), resume=True)
    assert not (tmp_path / "resumed.checkpoint").exists()
    assert (tmp_path / "whole/model.onnx").read_bytes() == (tmp_path / "resumed/model.onnx").read_bytes()


def test_histograms_split_table_and_notices(small: Small, tmp_path: Path) -> None:
    workflow = small.workflow.model_copy(update={"histograms": tmp_path / "histograms"})
    workflow = workflow.model_copy(update={"split": workflow.split.model_copy(update={"validation": 0.0, "test": 0.0})})
    monitor = Collector()
    result = run_training(
        workflow, tmp_path / "bundle", monitor, notices=["mind the gap"], split_out=tmp_path / "new" / "split.parquet"
    )
    assert any((tmp_path / "histograms").iterdir())
    assert (tmp_path / "new" / "split.parquet").is_file()
    assert monitor.warnings[0] == result.warnings[0] == "mind the gap"
    assert "mind the gap" in json.loads((tmp_path / "bundle/manifest.json").read_text())["warnings"]
    assert set(result.metrics["parts"]) == {"train"}


@pytest.mark.parametrize(
    ("expression", "imports", "reading", "error", "message"),
    [
        (
            "KNeighborsClassifier()",
            "from sklearn.neighbors import KNeighborsClassifier",
            {"memory_limit": 2000},
            MemoryLimitError,
            r"the [0-9]+ events for train need .* in memory, the limit is .*; raise memory_limit, use fewer events",
        ),
        ("1 / 0", "", {}, ModelFileError, "division by zero"),
        (
            'LogisticRegression(penalty="nonsense")',
            "from sklearn.linear_model import LogisticRegression",
            {},
            ModelFileError,
            "LogisticRegression cannot be trained",
        ),
    ],
)
def test_a_training_that_fails_leaves_nothing(
    small: Small,
    tmp_path: Path,
    expression: str,
    imports: str,
    reading: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    model = model_file(tmp_path, expression, imports)
    workflow = configured(tmp_path, small.paths, training={"model": str(model)}, reading=reading)
    before = set(tmp_path.iterdir())
    with pytest.raises(error, match=message):
        run_training(workflow, tmp_path / "bundle", Collector(), split_out=tmp_path / "split.parquet")
    assert set(tmp_path.iterdir()) - {tmp_path / "__pycache__"} == before


def test_a_workflow_without_training(small: Small, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no training section"):
        run_training(small.workflow.model_copy(update={"training": None}), tmp_path / "bundle", Collector())
