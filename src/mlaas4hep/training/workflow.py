"""The main job: from a configuration to a published model bundle."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlaas4hep.atomic.alone import alone
from mlaas4hep.atomic.files import check_place
from mlaas4hep.atomic.scratch import temporary_files
from mlaas4hep.bundle.write import check_destination
from mlaas4hep.config.specs_file import read_legacy_specs
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError
from mlaas4hep.frameworks.onnx.scoring import OnnxScorer
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.remote.location import resolve
from mlaas4hep.streaming.remote.xrootd import configure, is_xrootd
from mlaas4hep.training.events.split_table import write_split
from mlaas4hep.training.fitting.checkpoint import checkpointing
from mlaas4hep.training.fitting.fit import Trained, load_user_module, train
from mlaas4hep.training.judging.assess import ROWS_FOR_IMPORTANCE, Assessment, assess
from mlaas4hep.training.judging.histograms import Histograms
from mlaas4hep.training.judging.importance import ScoreFunction, affordable, permutation_importance
from mlaas4hep.training.judging.overtraining import overtraining
from mlaas4hep.training.metrics.compute import evaluate
from mlaas4hep.training.prepare import Prepared, opened, prepare
from mlaas4hep.training.publish import Converted, convert, publish
from mlaas4hep.training.report.histogram_files import write_branch_histograms
from mlaas4hep.training.reporting import report_of
from mlaas4hep.training.user_code.imports import modules_left_alone

__all__ = ["Result", "run_training"]

ROWS_AT_A_TIME = 1024
"""For importance: what a network makes of so many rows stays in the processor's caches."""


@dataclass(frozen=True)
class Result:
    """What a training gave.

    Attributes:
        bundle: where it was written.
        metrics: the content of ``metrics.json``.
        warnings: everything the user was warned of.
        waiting: share of the time after the first epoch that the training waited for events; None without a second.
    """

    bundle: Path
    workflow: Workflow
    metrics: dict[str, Any]
    warnings: tuple[str, ...]
    served: str
    reason: str | None
    waiting: float | None


class _Recorder:
    """Passes everything on to a monitor and keeps the warnings for the bundle."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.stage = monitor.stage
        self.note = monitor.note
        self.alert = monitor.alert
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
            self._monitor.warn(text)


@modules_left_alone()
def run_training(
    workflow: Workflow,
    destination: Path,
    monitor: Monitor,
    *,
    notices: Sequence[str] = (),
    resume: bool = False,
    split_out: Path | None = None,
) -> Result:
    """Train as configured and publish the bundle.

    Args:
        workflow: with a training section.
        destination: the bundle: a folder, or a file if the name ends in .tar.gz.
        monitor: told about progress.
        notices: what reading the configuration warned of; shown and kept in the bundle with all other warnings.
        resume: continue from the checkpoint of an interrupted run of the same training.
        split_out: write the part of the split of every event into this Parquet file.

    Raises:
        MLaaS4HEPError: a mistake in configuration, data or model; nothing is written then.
    """
    if workflow.training is None:
        raise ConfigError("there is no training section", hint="name the model file under training.model")
    check_destination(destination)
    with alone(destination, monitor.alert), temporary_files():
        return _run(workflow, destination, _Recorder(monitor), notices, resume=resume, split_out=split_out)


def _run(
    workflow: Workflow,
    destination: Path,
    monitor: _Recorder,
    notices: Sequence[str],
    *,
    resume: bool,
    split_out: Path | None,
) -> Result:
    for place in (split_out, workflow.histograms):
        if place is not None:
            check_place(place, file=place is split_out)
    if workflow.specs is not None:
        read_legacy_specs(workflow.specs)
    for notice in notices:
        monitor.warn(notice)
    paths = (resolve(path, workflow.reading.redirector) for sample in workflow.samples for path in sample.files)
    if any(map(is_xrootd, paths)):
        configure()  # before TensorFlow, which may be what the user's file imports: the other way round both crash
    module = load_user_module(workflow, monitor)
    with opened(workflow, monitor) as files:
        prepared = prepare(workflow, files, monitor)
        with checkpointing(destination, workflow, files, prepared.scan, monitor, resume=resume) as checkpoint:
            trained = train(workflow, prepared, module, checkpoint, monitor, resume=resume)
            with closing(trained.dataset):
                histograms = _histograms(workflow, prepared, trained)
                _check_threshold(workflow, trained, monitor)
                assessment = assess(
                    trained.dataset,
                    trained.predict,
                    histograms,
                    monitor,
                    task=prepared.labels.task,
                    classes=len(prepared.labels.classes),
                    threshold=_threshold(workflow, trained),
                )
                if split_out is None:
                    trained.dataset.forget()  # no event is needed any more
                converted = convert(trained, assessment, prepared)
                if converted.reason:
                    monitor.warn(f"the native model will be served: {converted.reason}")
                metrics = _metrics(workflow, prepared, trained, assessment)
                differ = overtraining(metrics)
                if differ:
                    monitor.warn(differ)
                report = _report(workflow, prepared, trained, assessment, converted, metrics, monitor)
                publish(
                    destination,
                    workflow,
                    prepared,
                    trained,
                    converted,
                    metrics=metrics,
                    report=report,
                    warnings=monitor.warnings,
                    rows=assessment.rows.raw[:ROWS_AT_A_TIME],
                )
                if split_out is not None:
                    write_split(trained.dataset, split_out)
        if histograms is not None and workflow.histograms is not None:
            write_branch_histograms(histograms, workflow.histograms)
    served = "onnx" if converted.onnx is not None else "native"
    warnings = tuple(monitor.warnings)
    return Result(destination, workflow, metrics, warnings, served, converted.reason, trained.waiting)


def _threshold(workflow: Workflow, trained: Trained) -> float:
    """The user's threshold, else that of the scores."""
    chosen = workflow.training.threshold if workflow.training else None
    return trained.output.threshold if chosen is None else chosen


def _check_threshold(workflow: Workflow, trained: Trained, monitor: Monitor) -> None:
    threshold = _threshold(workflow, trained)
    if trained.output.kind == "probability" and not 0.0 <= threshold <= 1.0:
        monitor.warn(f"training.threshold is {threshold:g}, but the scores are probabilities: it parts no events")


def _metrics(workflow: Workflow, prepared: Prepared, trained: Trained, assessment: Assessment) -> dict[str, Any]:
    assert workflow.training is not None
    return evaluate(
        prepared.labels.task,
        prepared.labels.names,
        assessment.parts,
        threshold=_threshold(workflow, trained),
        output=trained.output.kind,
        totals=prepared.full_sums if prepared.labels.task == "binary" else None,
        seed=workflow.training.seed,
    )


def _histograms(workflow: Workflow, prepared: Prepared, trained: Trained) -> Histograms | None:
    if workflow.histograms is None:
        return None
    ranges = {
        name: (part.values.low, part.values.high)
        for name, part in prepared.scan.specs.branches.items()
        if part.values.real
    }
    return Histograms(trained.choice.layout, ranges, prepared.labels.names)


def _scores_of(trained: Trained, converted: Converted, workflow: Workflow) -> ScoreFunction:
    """From transformed rows to scores: for networks by ONNX Runtime, which is many times faster on few rows."""
    if converted.core is not None and trained.backend.networks and workflow.training is not None:
        return OnnxScorer(converted.core, threads=workflow.training.threads, batch=ROWS_AT_A_TIME).scores
    return trained.predict


def _report(
    workflow: Workflow,
    prepared: Prepared,
    trained: Trained,
    assessment: Assessment,
    converted: Converted,
    metrics: dict[str, Any],
    monitor: _Recorder,
) -> str:
    importance = _importance(workflow, prepared, trained, assessment, converted, monitor)
    with monitor.stage("report", None):
        warnings = tuple(monitor.warnings)
        return report_of(workflow, prepared, trained, assessment, converted, metrics, importance, warnings)


def _importance(
    workflow: Workflow,
    prepared: Prepared,
    trained: Trained,
    assessment: Assessment,
    converted: Converted,
    monitor: _Recorder,
) -> list[dict[str, Any]]:
    """Importance of as many branches as are wanted and can be afforded."""
    assert workflow.training is not None
    layout = trained.choice.layout
    wanted = workflow.training.importance
    if not wanted:
        return []
    most_rows, most = affordable(ROWS_FOR_IMPORTANCE, layout)
    most = most if wanted == -1 else min(wanted, len(layout.branches))
    rows = assessment.importance_rows(most_rows)
    if most < len(layout.branches):
        monitor.note(f"importance: the {most} branches of the groups that matter most, of {len(layout.branches)}")
    with monitor.stage("importance", most, "branches") as advance:
        return permutation_importance(
            _scores_of(trained, converted, workflow),
            layout.transform(rows.raw),
            rows.y,
            rows.weight,
            layout,
            prepared.labels.task,
            seed=workflow.training.seed,
            decision=trained.output.kind == "decision",
            most=most,
            advance=advance,
        )
