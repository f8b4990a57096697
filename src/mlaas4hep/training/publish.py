"""From a trained and assessed model to the bundle: ONNX with its parity, manifest, report."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.manifest import Manifest, bundle_name
from mlaas4hep.bundle.onnx_graph import compose, to_bytes
from mlaas4hep.bundle.parity import check, same_scores
from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.bundle.sections import FeatureColumns, Input, InputFile, LeftOut, Parity, Provenance
from mlaas4hep.bundle.write import BundleContents, write_bundle
from mlaas4hep.config.dump import provenance
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import BundleError, ConversionError
from mlaas4hep.features.statistics.specs import legacy_specs
from mlaas4hep.training.fitting.fit import Trained
from mlaas4hep.training.fitting.native import save_native
from mlaas4hep.training.judging.assess import Assessment
from mlaas4hep.training.prepare import Prepared

__all__ = ["Converted", "convert", "publish"]

PACKAGES = (
    "mlaas4hep", "awkward", "keras", "numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx", "skops", "tensorflow",
    "tensorflow-cpu", "torch", "uproot", "xgboost", "xgboost-cpu",
)  # fmt: skip


@dataclass(frozen=True)
class Converted:
    """The ONNX model that agrees with the native one; None, with the reason, where there is none.

    Attributes:
        onnx: takes raw columns.
        core: the model alone, which takes transformed ones.
    """

    onnx: bytes | None
    core: bytes | None
    parity: Parity | None
    reason: str | None


def convert(trained: Trained, assessment: Assessment, prepared: Prepared) -> Converted:
    """Convert to ONNX and compare with the native model on real events."""
    layout = trained.choice.layout
    try:
        core = trained.backend.to_onnx(trained.model, layout.model_width, prepared.labels.task)
        if trained.target is not None:
            core = trained.target.in_graph(core)
        model = compose(core, layout)
    except ConversionError as error:
        return Converted(None, None, None, str(error))
    parity = check(model, trained.predict, layout, assessment.rows.raw)
    if not parity.agreed:
        return Converted(None, None, parity, f"the ONNX conversion is refused: {parity.reason}")
    return Converted(to_bytes(model), to_bytes(core), parity, None)


def publish(
    destination: Path,
    workflow: Workflow,
    prepared: Prepared,
    trained: Trained,
    converted: Converted,
    *,
    metrics: Mapping[str, Any],
    report: str,
    warnings: Sequence[str],
    rows: NDArray[np.float32],
) -> Path:
    """Write the bundle, after it was read back and gave the scores of the trained model for some events.

    Args:
        destination: the bundle.
        workflow: the configuration.
        prepared: files, branches, labels.
        trained: the model.
        converted: its ONNX form, if there is one.
        metrics: content of ``metrics.json``.
        report: content of ``report.html``.
        warnings: everything the user was warned of.
        rows: raw columns of events that the written bundle is tried with, float32 [N, D].

    Raises:
        BundleError: the written bundle cannot be loaded, or gives other scores.
    """
    assert workflow.training is not None
    manifest = _manifest(workflow, prepared, trained, converted, warnings)
    events = {
        file.path: found.used
        for file, found in sorted(zip(prepared.files, prepared.scan.files, strict=True), key=lambda pair: pair[0].index)
    }
    with tempfile.TemporaryDirectory(prefix="mlaas4hep-") as folder:
        native = Path(folder) / "native"
        native.mkdir()
        save_native(
            trained.backend, trained.model, native, workflow.training.model, prepared.labels.task, trained.target
        )
        contents = BundleContents(
            manifest=manifest,
            onnx=converted.onnx,
            native=native,
            specs={
                **legacy_specs(prepared.scan.specs, events),
                "fitted_on": "training events",
                "training_events": prepared.scan.specs.events,
                "branches": prepared.scan.specs.to_json()["branches"],
            },
            preproc=_preproc(workflow, prepared),
            metrics=metrics,
            report=report,
        )
        return write_bundle(destination, contents, lambda written: _read_back(written, trained, rows))


def _read_back(written: Path, trained: Trained, rows: NDArray[np.float32]) -> None:
    with load_bundle(written) as bundle:
        scores = bundle.scorer(threads=1, trust_code=True).scores(rows)
    if not same_scores(scores, trained.predict(trained.choice.layout.transform(rows))):
        what = "the written bundle gives other scores than the trained model, so it is not published"
        raise BundleError(what, where=str(written))


def _preproc(workflow: Workflow, prepared: Prepared) -> dict[str, Any]:
    return {
        "steps": prepared.branches.preprocessing.to_json(),
        "features": list(prepared.branches.features),
        "identifier": list(prepared.branches.identifier),
        "missing": list(workflow.features.missing),
        "weight_branch": workflow.weights.branch,
        "label_branch": workflow.label_branch,
        "negative_weights": workflow.weights.negative,
        "split": workflow.split.model_dump(mode="json"),
    }


def _manifest(
    workflow: Workflow, prepared: Prepared, trained: Trained, converted: Converted, warnings: Sequence[str]
) -> Manifest:
    training = workflow.training
    assert training is not None
    labels = prepared.labels
    names = labels.names
    left_out = {**prepared.branches.left_out, **trained.choice.left_out}
    return Manifest(
        name=bundle_name(workflow.name),
        framework=trained.backend.name,
        task=labels.task,
        classes=names,
        signal=names[1] if labels.task == "binary" else None,
        target=workflow.label_branch if labels.task == "regression" else None,
        tree=_tree(prepared),
        identifier=prepared.branches.identifier,
        inputs=_inputs(prepared, trained),
        selection=tuple(cut.model_dump() for cut in workflow.selection),
        features=FeatureColumns.of(trained.choice.layout),
        outputs=(trained.output.described(labels.task, names, workflow.label_branch),),
        left_out=tuple(LeftOut(name=name, reason=reason) for name, reason in left_out.items()),
        weights={
            "used": prepared.weights.used,
            "branch": workflow.weights.branch,
            "negative": workflow.weights.negative,
            "balanced": prepared.weights.balanced,
            "training_factors": [float(factor) for factor in prepared.weights.factors],
        },
        warnings=tuple(warnings),
        served="onnx" if converted.onnx is not None else "native",
        reason=converted.reason,
        parity=converted.parity,
        provenance=Provenance(
            files=tuple(
                _file(prepared, i) for i in sorted(range(len(prepared.files)), key=lambda i: prepared.files[i].index)
            ),
            configuration=provenance(workflow),
            seeds={"split": workflow.split.seed, "training": training.seed},
            packages=package_versions(),
            python=platform.python_version(),
        ),
    )


def _inputs(prepared: Prepared, trained: Trained) -> tuple[Input, ...]:
    """The branches that a client gives first, then the variables in the order they are computed."""
    preprocessing = prepared.branches.preprocessing
    lengths = {branch.name: branch.length for branch in trained.choice.layout.branches}
    branches = prepared.files[0].source.branches
    for_features = set(preprocessing.needed_for(lengths))
    inputs = [
        Input(
            name=name,
            kind="jagged" if branches[name].kind == "jagged" else "flat",
            dtype=branches[name].dtype,
            length=lengths.get(name),
            selection_only=name not in for_features,
        )
        for name in preprocessing.needed(lengths)
    ]
    variables = [
        Input(
            name=variable.name,
            kind=variable.kind,
            dtype="float64",
            length=lengths.get(variable.name),
            expression=variable.expression.text,
            selection_only=variable.name not in preprocessing.variables_for(lengths),
        )
        for variable in preprocessing.variables
    ]
    return (*inputs, *variables)


def _tree(prepared: Prepared) -> str | None:
    """The tree of all files; None for tables, and where files have trees of their own."""
    trees = {file.source.tree for file in prepared.files}
    return trees.pop() if len(trees) == 1 else None


def _file(prepared: Prepared, index: int) -> InputFile:
    file, found = prepared.files[index], prepared.scan.files[index]
    return InputFile(
        path=file.path,
        identity=file.source.identity,
        entries=file.source.entries,
        selected=found.used,
        sample=file.sample.name,
        label=file.sample.label,
        weight=file.sample.weight,
    )


def package_versions() -> dict[str, str]:
    """Versions of the packages that may have taken part, those installed."""
    versions: dict[str, str] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
