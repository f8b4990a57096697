"""The manifest of a training's bundle, and its ``preproc.json``."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from mlaas4hep.bundle.manifest import Manifest, bundle_name
from mlaas4hep.bundle.sections import FeatureColumns, Input, InputFile, LeftOut, Provenance, UserPreprocessing
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.training.events.first_pass import FirstPass
from mlaas4hep.training.fitting.fit import Trained
from mlaas4hep.training.publishing.convert import Converted
from mlaas4hep.training.publishing.packages import package_versions

__all__ = ["manifest_of", "preproc_of"]


def manifest_of(
    name: str,
    configuration: Mapping[str, Any],
    trained: Trained,
    converted: Converted,
    warnings: Sequence[str],
) -> Manifest:
    """Return the manifest of a bundle.

    Args:
        name: of the workflow.
        configuration: what was trained, as JSON values.
        trained: the model.
        converted: its ONNX form, if there is one.
        warnings: everything the user was warned of.
    """
    first = trained.first
    labels, weights, pipeline = trained.labelled.labels, trained.labelled.weights, first.pipeline
    names = labels.names
    left_out = {**first.branches.left_out, **trained.choice.left_out}
    return Manifest(
        name=bundle_name(name),
        framework=trained.backend.name,
        task=labels.task,
        classes=names,
        signal=names[1] if labels.task == "binary" else None,
        target=pipeline.label_branch if labels.task == "regression" else None,
        tree=_tree(first.files),
        identifier=first.branches.identifier,
        preprocessing=_preprocessing(first.files),
        inputs=_inputs(trained),
        selection=tuple({"name": cut.name, "expression": cut.expression.text} for cut in pipeline.preprocessing.cuts),
        features=FeatureColumns.of(trained.choice.layout),
        outputs=(trained.output.described(labels.task, names, pipeline.label_branch),),
        left_out=tuple(LeftOut(name=name, reason=reason) for name, reason in left_out.items()),
        weights={
            "used": weights.used,
            "branch": pipeline.weight_branch,
            "negative": pipeline.negative,
            "balanced": weights.balanced,
            "training_factors": [float(factor) for factor in weights.factors],
        },
        warnings=tuple(warnings),
        served=converted.served,
        reason=converted.reason,
        parity=converted.parity,
        provenance=Provenance(
            files=tuple(
                _file(file, found.used)
                for file, found in sorted(
                    zip(first.files, first.scan.files, strict=True), key=lambda pair: pair[0].index
                )
            ),
            configuration=dict(configuration),
            seeds={"split": pipeline.split.seed, "training": trained.training.seed},
            packages=package_versions(),
            python=platform.python_version(),
        ),
    )


def preproc_of(first: FirstPass) -> dict[str, Any]:
    """Return the content of ``preproc.json``."""
    pipeline = first.pipeline
    return {
        "steps": pipeline.preprocessing.to_json(),
        "features": list(pipeline.features),
        "identifier": list(pipeline.identifier),
        "missing": list(pipeline.missing),
        "weight_branch": pipeline.weight_branch,
        "label_branch": pipeline.label_branch,
        "negative_weights": pipeline.negative,
        "split": pipeline.split.model_dump(mode="json"),
    }


def _inputs(trained: Trained) -> tuple[Input, ...]:
    """The branches that a client gives first, then the variables in the order they are computed."""
    first = trained.first
    preprocessing = first.pipeline.preprocessing
    lengths = {branch.name: branch.length for branch in trained.choice.layout.branches}
    branches = first.files[0].source.branches
    computed = first.files[0].source.computed
    by_function = {*computed.names, computed.kept} if computed else set()
    for_features = set(preprocessing.needed_for(lengths))
    inputs = [
        Input(
            name=name,
            kind="jagged" if branches[name].kind == "jagged" else "flat",
            dtype=branches[name].dtype,
            length=lengths.get(name),
            selection_only=name not in for_features,
            computed=name in by_function,
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


def _preprocessing(files: Sequence[DataFile]) -> UserPreprocessing | None:
    """Return what the manifest says of the user's function; None if there is none."""
    computed = files[0].source.computed
    if computed is None:
        return None
    return UserPreprocessing(
        sha256=computed.sha256, given=computed.given, computed=computed.names, selected=computed.kept
    )


def _tree(files: Sequence[DataFile]) -> str | None:
    """The tree of all files; None for tables, and where files have trees of their own."""
    trees = {file.source.tree for file in files}
    return trees.pop() if len(trees) == 1 else None


def _file(file: DataFile, selected: int) -> InputFile:
    return InputFile(
        path=file.path,
        identity=file.source.identity,
        entries=file.source.entries,
        selected=selected,
        sample=file.sample.name,
        label=file.sample.label,
        weight=file.sample.weight,
    )
