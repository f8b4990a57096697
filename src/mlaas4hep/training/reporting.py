"""What the report page shows of a training or an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlaas4hep.config.dump import to_yaml
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.features.cutflow import Cutflow, total
from mlaas4hep.features.layout import FeatureBranch
from mlaas4hep.features.statistics.specs import Specs
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.scan.result import cutflows_of
from mlaas4hep.training.fitting.fit import Trained
from mlaas4hep.training.judging.assess import ROWS_FOR_IMPORTANCE, Assessment
from mlaas4hep.training.judging.importance import affordable
from mlaas4hep.training.prepare import Prepared
from mlaas4hep.training.publish import Converted, package_versions
from mlaas4hep.training.report import render_report
from mlaas4hep.training.report.data import CutflowRow, FeatureRow, FileRow, ReportData
from mlaas4hep.training.report.inputs import inputs_of

__all__ = ["cutflow_rows", "file_rows", "report_of"]


def report_of(
    workflow: Workflow,
    prepared: Prepared,
    trained: Trained,
    assessment: Assessment,
    converted: Converted,
    metrics: Mapping[str, Any],
    importance: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
) -> str:
    """The HTML page of a training."""
    training = workflow.training
    assert training is not None
    cutflows = cutflows_of(prepared.files, prepared.scan.files)
    parity = converted.parity
    details = {
        "framework": trained.backend.name,
        "served as": "ONNX" if converted.onnx is not None else f"native model: {converted.reason}",
        "ONNX against native": _parity(parity.max_abs_difference, parity.rows) if parity else "not compared",
        "split": _split(workflow, prepared),
        "seed": str(training.seed),
        "feature columns": str(trained.choice.layout.width),
        "weights in training": _weights(workflow, prepared),
        "importance": _importance(trained, assessment, len(importance)),
    }
    data = ReportData(
        title=workflow.name,
        task=prepared.labels.task,
        classes=prepared.labels.names,
        metrics=metrics,
        parts=assessment.parts,
        samples=assessment.samples,
        inputs=inputs_of(
            assessment.rows.raw,
            assessment.rows.y,
            assessment.rows.weight,
            trained.choice.layout,
            [row["branch"] for row in importance],
        ),
        importance=importance,
        curves=trained.history.curves,
        step=trained.history.step,
        cutflow=cutflow_rows(cutflows, prepared.files),
        features=[_feature(branch, prepared.scan.specs) for branch in trained.choice.layout.branches],
        left_out={**prepared.branches.left_out, **trained.choice.left_out},
        warnings=warnings,
        configuration=to_yaml(workflow),
        files=file_rows(prepared.files),
        packages=package_versions(),
        details=details,
        target=workflow.label_branch or "target",
        class_report=workflow.training is None or workflow.training.classification_report,
    )
    return render_report(data)


def cutflow_rows(cutflows: Mapping[str, Cutflow], files: Sequence[DataFile]) -> list[CutflowRow]:
    """The cutflow of all files together, each line with the share of every sample."""
    if not cutflows:
        return []
    samples: dict[str, Cutflow] = {}
    for file in sorted(files, key=lambda file: file.index):
        found, name = cutflows.get(file.path), file.sample.name
        if found is not None:
            samples[name] = samples[name].merge(found) if name in samples else found
    tables = {name: cutflow.table() for name, cutflow in samples.items()}
    return [
        CutflowRow(
            row.name,
            row.events,
            row.weighted,
            {path: (table[i].events, table[i].weighted) for path, table in tables.items()},
        )
        for i, row in enumerate(total(cutflows).table())
    ]


def file_rows(files: Sequence[DataFile]) -> list[FileRow]:
    """The input files in the order the user gave them."""
    return [
        FileRow(
            file.path,
            file.sample.name,
            "" if file.sample.label is None else str(file.sample.label),
            file.source.entries,
            file.sample.weight,
        )
        for file in sorted(files, key=lambda file: file.index)
    ]


def _feature(branch: FeatureBranch, specs: Specs) -> FeatureRow:
    values = specs.branches[branch.name].values
    raw = f"v - {branch.origin!r}" if branch.origin else "v"
    return FeatureRow(
        branch=branch.name,
        kind=branch.kind,
        length=branch.length,
        minimum=values.low,
        maximum=values.high,
        mean=values.mean,
        std=values.std,
        missing=values.missing + values.infinite,
        normalisation=f"({raw} - {branch.offset:.6g}) * {branch.scale:.6g}",
    )


def _importance(trained: Trained, assessment: Assessment, branches: int) -> str:
    layout = trained.choice.layout
    if not branches:
        return "left out"
    rows, _ = affordable(ROWS_FOR_IMPORTANCE, layout)
    text = f"on {len(assessment.importance_rows(rows))} events of {assessment.rows_part}"
    if branches < len(layout.branches):
        text += f", for {branches} of {len(layout.branches)} branches: those of the groups that matter most"
    return text


def _parity(difference: float | None, rows: int) -> str:
    return f"differ by at most {difference:.2g} on {rows} events" if difference is not None else "cannot be compared"


def _split(workflow: Workflow, prepared: Prepared) -> str:
    split = workflow.split
    shares = f"train {split.train:g}, validation {split.validation:g}, test {split.test:g}"
    return f"{shares}, seed {split.seed}, by {', '.join(prepared.branches.identifier) or 'file and entry'}"


def _weights(workflow: Workflow, prepared: Prepared) -> str:
    if prepared.weights.trivial:
        return "none"
    parts = [
        "file weights" if any(sample.weight != 1.0 for sample in workflow.samples) else "",
        f"branch {workflow.weights.branch}" if workflow.weights.branch else "",
        "balanced between classes" if prepared.weights.balanced else "",
        f"negative weights: {workflow.weights.negative}",
    ]
    return ", ".join(part for part in parts if part)
