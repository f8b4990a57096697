"""What the report page shows of a training."""

from __future__ import annotations

from collections.abc import Sequence

from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.training.events.first_pass import FirstPass
from mlaas4hep.training.events.weighting import TrainingWeights
from mlaas4hep.training.fitting.fit import Trained
from mlaas4hep.training.judging.assess import ROWS_FOR_IMPORTANCE, Assessment
from mlaas4hep.training.judging.importance import affordable
from mlaas4hep.training.judging.judge import Judgement
from mlaas4hep.training.publishing.convert import Converted
from mlaas4hep.training.publishing.packages import package_versions
from mlaas4hep.training.report import render_report
from mlaas4hep.training.report.data import ReportData
from mlaas4hep.training.report.inputs import inputs_of
from mlaas4hep.training.report.rows import cutflow_rows, feature_row, file_rows

__all__ = ["report_of"]


def report_of(
    title: str,
    configuration: str,
    trained: Trained,
    converted: Converted,
    judgement: Judgement,
    warnings: Sequence[str],
) -> str:
    """Return the HTML page of a training.

    Args:
        title: name of the workflow.
        configuration: as YAML text.
        trained: the model.
        converted: the ONNX form, if there is one.
        judgement: scores of all events, metrics and importance.
        warnings: everything the user was warned of.
    """
    first, labelled, assessment = trained.first, trained.labelled, judgement.assessment
    parity, importance, layout = converted.parity, judgement.importance, trained.choice.layout
    details = {
        "framework": trained.backend.name,
        "served as": "ONNX" if converted.onnx is not None else f"native model: {converted.reason}",
        "ONNX against native": _parity(parity.max_abs_difference, parity.rows) if parity else "not compared",
        "split": _split(first.pipeline),
        "seed": str(trained.training.seed),
        "feature columns": str(layout.width),
        "weights in training": _weights(first, labelled.weights),
        "importance": _importance(trained, assessment, len(importance)),
    }
    rows = assessment.rows
    data = ReportData(
        title=title,
        task=labelled.labels.task,
        classes=labelled.labels.names,
        metrics=judgement.metrics,
        parts=assessment.parts,
        samples=assessment.samples,
        inputs=inputs_of(rows.raw, rows.y, rows.weight, layout, [row["branch"] for row in importance]),
        importance=importance,
        curves=trained.history.curves,
        step=trained.history.step,
        cutflow=cutflow_rows(first.cutflows, first.files),
        features=[feature_row(branch, first.scan.specs) for branch in layout.branches],
        left_out={**first.branches.left_out, **trained.choice.left_out},
        warnings=warnings,
        configuration=configuration,
        files=file_rows(first.files),
        packages=package_versions(),
        details=details,
        target=first.pipeline.label_branch or "target",
        class_report=trained.training.classification_report,
    )
    return render_report(data)


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


def _split(pipeline: Pipeline) -> str:
    split = pipeline.split
    shares = f"train {split.train:g}, validation {split.validation:g}, test {split.test:g}"
    return f"{shares}, seed {split.seed}, by {', '.join(pipeline.identifier) or 'file and entry'}"


def _weights(first: FirstPass, weights: TrainingWeights) -> str:
    if weights.trivial:
        return "none"
    parts = [
        "file weights" if any(file.sample.weight != 1.0 for file in first.files) else "",
        f"branch {first.pipeline.weight_branch}" if first.pipeline.weight_branch else "",
        "balanced between classes" if weights.balanced else "",
        f"negative weights: {first.pipeline.negative}",
    ]
    return ", ".join(part for part in parts if part)
