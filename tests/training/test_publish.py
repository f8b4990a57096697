"""What stands in a published bundle, and when the native model is served instead of ONNX."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.bundle.manifest import Manifest
from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.config.dump import provenance
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.fitting.fit import Trained
from mlaas4hep.training.judging.assess import Assessment, assess
from mlaas4hep.training.publishing.convert import Converted, convert
from mlaas4hep.training.publishing.manifest import manifest_of
from mlaas4hep.training.publishing.packages import package_versions
from mlaas4hep.training.publishing.publish import publish
from tests.support.trained import FLAT, JAGGED, SAMPLES, Independent, Small, configured
from tests.support.workflows import fitted, opened
from tests.support.written import make_events, model_file, workflow_of, write_ttree


@pytest.fixture(scope="module")
def manifest(small: Small) -> Manifest:
    with load_bundle(small.bundle) as bundle:
        return bundle.manifest


def test_what_the_model_is(manifest: Manifest) -> None:
    assert (manifest.name, manifest.framework, manifest.task) == ("small", "sklearn", "binary")
    assert (manifest.classes, manifest.signal, manifest.target) == (("background", "signal"), "signal", None)
    assert (manifest.tree, manifest.identifier) == ("Events", ("run", "event", "luminosityBlock"))
    (output,) = manifest.outputs
    assert (output.name, output.shape, output.meaning) == (
        "scores",
        (1,),
        ("probability of signal (against background)",),
    )


def test_inputs_are_what_a_client_gives_then_the_variables(manifest: Manifest) -> None:
    inputs = {found.name: found for found in manifest.inputs}
    given = {name: found for name, found in inputs.items() if found.expression is None}
    assert set(given) == {"met", "charge", "flag", "cells", "Jet_pt", "Jet_eta"}
    assert {name: found.kind for name, found in given.items()} == {
        **dict.fromkeys(("met", "charge", "flag"), "flat"),
        **dict.fromkeys(("cells", "Jet_pt", "Jet_eta"), "jagged"),
    }
    assert (given["charge"].dtype, given["flag"].dtype, given["Jet_pt"].dtype) == ("int16", "bool", "float32")
    computed = [found.name for found in manifest.inputs if found.expression is not None]
    assert computed == ["ht", "lead", "scaled"]
    assert inputs["ht"].expression == "sum(Jet_pt)"
    assert {name: found.length for name, found in inputs.items()} == {**dict.fromkeys(FLAT, 1), **JAGGED}
    assert not any(found.selection_only for found in manifest.inputs)


def test_weights_selection_and_warnings(small: Small, manifest: Manifest, reference: Independent) -> None:
    assert [cut["expression"] for cut in manifest.selection] == [cut.expression for cut in small.workflow.selection]
    weights = manifest.weights
    assert (weights["used"], weights["branch"], weights["negative"], weights["balanced"]) == (True, "w", "abs", True)
    ratio = reference.training_weight / reference.weight
    expected = [ratio[reference.y == index][0] for index in (0, 1)]
    np.testing.assert_allclose(weights["training_factors"], expected, rtol=1e-12)
    assert list(manifest.warnings) == list(small.result.warnings)
    assert any("infinite" in warning for warning in manifest.warnings)


def test_provenance(small: Small, manifest: Manifest, reference: Independent) -> None:
    files = manifest.provenance.files
    assert [Path(file.path) for file in files] == list(small.paths.values())
    for file, (name, (events, label, weight)) in zip(files, SAMPLES.items(), strict=True):
        assert (file.sample, file.label, file.weight, file.entries) == (name, label, weight, len(events))
        assert file.selected == sum(key[0] == name for key in reference.keys)
    assert Workflow.model_validate(manifest.provenance.configuration) == small.workflow
    assert manifest.provenance.seeds == {"split": 0, "training": 0}
    assert manifest.provenance.packages == package_versions()
    assert {"lightgbm", "numpy", "onnx", "scikit-learn", "uproot"} <= set(package_versions())


def test_parity(manifest: Manifest, reference: Independent) -> None:
    assert (manifest.served, manifest.reason) == ("onnx", None)
    parity = manifest.parity
    assert parity is not None
    assert (parity.rows, parity.agreed) == (int(np.sum(reference.part == 2)), True)
    assert parity.max_abs_difference is not None
    assert parity.max_abs_difference <= 1e-4


def test_specs_and_preprocessing(small: Small, reference: Independent) -> None:
    specs = json.loads((small.bundle / "specs.json").read_text())
    assert specs["events"] == {
        **{str(path): sum(key[0] == name for key in reference.keys) for name, path in small.paths.items()},
        "total": len(reference.keys),
    }
    assert specs["training_events"] == int(np.sum(reference.part == 0))
    assert specs["branches"]["cells"]["length"]["max"] == specs["jdim"]["cells"] == 3
    preproc = json.loads((small.bundle / "preproc.json").read_text())
    assert preproc["missing"] == [-999.0]
    assert (preproc["weight_branch"], preproc["label_branch"], preproc["negative_weights"]) == ("w", None, "abs")
    assert preproc["identifier"] == ["run", "event", "luminosityBlock"]
    assert set(preproc["features"]) == {*FLAT, *JAGGED}


@contextmanager
def assessed(workflow: Workflow, folder: Path) -> Iterator[tuple[Trained, Assessment]]:
    """All of a training but the metrics and the report."""
    monitor = Collector()
    with opened(workflow) as files:
        trained = fitted(workflow, files, folder, monitor)
        yield trained, assess(trained.dataset, trained.predict, None, monitor, task="binary", classes=2)


def write(folder: Path, workflow: Workflow, trained: Trained, assessment: Assessment, converted: Converted) -> None:
    assert workflow.training is not None
    publish(
        folder / "bundle",
        manifest_of(workflow.name, provenance(workflow), trained, converted, ["one"]),
        trained,
        source=workflow.training.model,
        onnx=converted.onnx,
        metrics={},
        report="<p>",
        rows=assessment.rows.raw,
    )


def published(workflow: Workflow, folder: Path) -> Manifest:
    with assessed(workflow, folder) as made:
        trained, assessment = made
        write(folder, workflow, *made, convert(trained, assessment.rows.raw))
    with load_bundle(folder / "bundle") as bundle:
        return bundle.manifest


@pytest.mark.parametrize(
    ("expression", "imports", "reason"),
    [
        # Converts without an error to a model that gives other scores (skl2onnx 1.20).
        (
            "LinearDiscriminantAnalysis()",
            "from sklearn.discriminant_analysis import LinearDiscriminantAnalysis",
            "the ONNX conversion is refused: ONNX and native scores differ by up to",
        ),
        # Converts to a model that ONNX Runtime cannot load.
        (
            "GaussianProcessClassifier()",
            "from sklearn.gaussian_process import GaussianProcessClassifier",
            "the ONNX conversion is refused: ONNX Runtime fails",
        ),
    ],
)
def test_a_wrong_conversion_is_refused(
    small: Small, tmp_path: Path, expression: str, imports: str, reason: str
) -> None:
    model = model_file(tmp_path, expression, imports)
    workflow = configured(tmp_path, small.paths, training={"model": str(model)}, weights={}, events=150)
    with assessed(workflow, tmp_path) as (trained, assessment):
        converted = convert(trained, assessment.rows.raw)
        assert converted.onnx is None
        assert converted.parity is not None
        assert not converted.parity.agreed
        write(tmp_path, workflow, trained, assessment, converted)
        native = trained.predict(trained.choice.layout.transform(assessment.rows.raw))
    assert not (tmp_path / "bundle/model.onnx").exists()
    with load_bundle(tmp_path / "bundle") as bundle:
        assert bundle.manifest.served == "native"
        assert bundle.manifest.reason is not None
        assert bundle.manifest.reason.startswith(reason)
        assert bundle.manifest.warnings == ("one",)
        np.testing.assert_allclose(bundle.scorer().scores(assessment.rows.raw), native, atol=1e-6)


def test_left_out_and_selection_only(tmp_path: Path) -> None:
    events = [make_events(100, seed=seed, signal=seed == 1, odd=False) for seed in (0, 1)]
    files = {
        name: (
            write_ttree(tmp_path / f"{name}.root", [{**e, "met": np.nan} for e in mine], extra={"text": ["a"] * 100}),
            name,
        )
        for name, mine in zip("bs", events, strict=True)
    }
    model = model_file(
        tmp_path, "DecisionTreeClassifier(max_depth=2)", "from sklearn.tree import DecisionTreeClassifier"
    )
    workflow = workflow_of(
        files,
        variables={"ht": "sum(Jet_pt)", "helper": "2 * w"},
        selection=["any(Jet_eta > -9) | (helper > 0)"],
        features={"exclude": ["Jet_*", "helper", "w", "target"]},
        training={"model": str(model), "signal": "b"},
    )
    manifest = published(workflow, tmp_path)
    assert {found.name: found.reason for found in manifest.left_out} == {
        "text": "holds char*, not numbers",
        "met": "missing in every training event",
    }
    assert (manifest.classes, manifest.signal) == (("s", "b"), "b")
    inputs = {found.name: found for found in manifest.inputs}
    assert {name for name, found in inputs.items() if found.selection_only} == {"Jet_eta", "w", "helper"}
    assert {name for name, found in inputs.items() if found.length is None} == {"Jet_pt", "Jet_eta", "w", "helper"}


@pytest.mark.parametrize(
    ("task", "classes", "meaning", "shape"),
    [
        ("multiclass", ("a", "b", "c"), ("probability of a", "probability of b", "probability of c"), (3,)),
        ("regression", (), ("predicted target",), (1,)),
    ],
)
def test_outputs_of_other_tasks(
    small: Small, tmp_path: Path, task: str, classes: tuple[str, ...], meaning: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    kind = "Regressor" if task == "regression" else "Classifier"
    model = model_file(tmp_path, f"DecisionTree{kind}(max_depth=2)", f"from sklearn.tree import DecisionTree{kind}")
    settings: dict[str, Any] = {"training": {"model": str(model), "task": task}, "weights": {}}
    if task == "regression":
        settings["label_branch"] = "target"
    workflow = configured(tmp_path, small.paths, **settings)
    labels = classes or (None,) * len(workflow.samples)  # of the files, or of a branch
    samples = tuple(s.model_copy(update={"label": label}) for s, label in zip(workflow.samples, labels, strict=True))
    workflow = workflow.model_copy(update={"samples": samples})
    manifest = published(workflow, tmp_path)
    assert (manifest.task, manifest.classes, manifest.signal) == (task, classes, None)
    assert manifest.target == ("target" if task == "regression" else None)
    assert (manifest.outputs[0].meaning, manifest.outputs[0].shape) == (meaning, shape)
