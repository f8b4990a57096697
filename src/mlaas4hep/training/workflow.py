"""The main job: from a configuration to a published model bundle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlaas4hep.atomic.alone import alone
from mlaas4hep.atomic.files import check_place
from mlaas4hep.atomic.scratch import temporary_files
from mlaas4hep.bundle.write import check_destination
from mlaas4hep.config.dump import decisive, provenance, to_yaml
from mlaas4hep.config.sections.data import Reading, Sample
from mlaas4hep.config.sections.training import Training
from mlaas4hep.config.specs_file import read_legacy_specs
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError
from mlaas4hep.streaming.bad_files import BadFiles
from mlaas4hep.streaming.files import opened
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.remote.location import replicas_of, resolve
from mlaas4hep.streaming.remote.xrootd import apply, is_xrootd
from mlaas4hep.streaming.user_function.function import load_function
from mlaas4hep.training.events.columns import choose_columns
from mlaas4hep.training.events.first_pass import first_pass
from mlaas4hep.training.events.labelled import label_events
from mlaas4hep.training.events.labels import check_labels
from mlaas4hep.training.events.split_table import write_split
from mlaas4hep.training.fitting.checkpoint import checkpointing, training_key
from mlaas4hep.training.fitting.fit import fit
from mlaas4hep.training.fitting.model import build, load_user_module
from mlaas4hep.training.judging.assess import assess
from mlaas4hep.training.judging.histograms import Histograms, ranges_of
from mlaas4hep.training.judging.judge import judge, threshold_of
from mlaas4hep.training.publishing.convert import convert
from mlaas4hep.training.publishing.manifest import manifest_of
from mlaas4hep.training.publishing.publish import publish
from mlaas4hep.training.report.histogram_files import write_branch_histograms
from mlaas4hep.training.reporting import report_of
from mlaas4hep.training.user_code.imports import modules_left_alone

__all__ = ["Result", "run_training"]

ROWS_READ_BACK = 1024
"""Events that the written bundle is tried with."""


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
    bad: BadFiles | None = None,
) -> Result:
    """Train as configured and publish the bundle.

    Args:
        workflow: with a training section.
        destination: the bundle: a folder, or a file if the name ends in .tar.gz.
        monitor: told about progress.
        notices: what reading the configuration warned of; shown and kept in the bundle with all other warnings.
        resume: continue from the checkpoint of an interrupted run of the same training.
        split_out: write the part of the split of every event into this Parquet file.
        bad: told of files that are left out; None: no matter which.

    Raises:
        MLaaS4HEPError: a mistake in configuration, data or model; nothing is written then.
    """
    if workflow.training is None:
        raise ConfigError("there is no training section", hint="name the model file under training.model")
    check_destination(destination)
    with alone(destination, monitor.alert), temporary_files():
        for place in (split_out, workflow.histograms):
            if place is not None:
                check_place(place, file=place is split_out)
        recorder = _Recorder(monitor)
        for notice in notices:
            recorder.warn(notice)
        bad = BadFiles(workflow.reading) if bad is None else bad
        return _run(workflow, workflow.training, destination, recorder, bad, resume=resume, split_out=split_out)


def _run(
    workflow: Workflow,
    training: Training,
    destination: Path,
    monitor: _Recorder,
    bad: BadFiles,
    *,
    resume: bool,
    split_out: Path | None,
) -> Result:
    """Open the files, scan them, choose columns, fit, score, convert, judge, publish."""
    reading, settings = workflow.reading, workflow.event_settings
    specs = read_legacy_specs(workflow.specs) if workflow.specs else None
    _prepare_xrootd(workflow.samples, reading)
    module = load_user_module(training, monitor.warn)
    function = load_function(workflow.preprocessing)
    with opened(workflow.samples, workflow.tree, reading, note=monitor.note, function=function, bad=bad) as files:
        check_labels(workflow.samples, workflow.label_branch, training.task)
        by_label = training.task != "regression"
        executor = bad.executor(reading.threads)
        first = bad.settled(
            files,
            lambda files: first_pass(
                files,
                settings,
                reading,
                monitor,
                events=workflow.events,
                count_labels=by_label,
                executor=executor,
            ),
        )
        if bad.found:
            monitor.warn(bad.line())
        balance = workflow.weights.balance
        labelled = label_events(first, monitor.warn, task=training.task, signal=training.signal, balance=balance)
        labels = labelled.labels
        key = training_key(decisive(workflow), training.model, workflow.specs, first.files, first.scan)
        with bad.later(), checkpointing(destination, key, monitor, resume=resume) as checkpoint:
            untrained = build(module, partial(choose_columns, first, workflow.features, specs), monitor)
            if specs is not None:
                monitor.note(f"{workflow.specs}: its dimensions and ranges are used, as asked for")
            trained = fit(untrained, first, labelled, training, reading, checkpoint, monitor, resume=resume)
            with closing(trained.dataset):
                threshold = threshold_of(trained, training.threshold, monitor)
                histograms = None
                if workflow.histograms is not None:
                    histograms = Histograms(trained.choice.layout, ranges_of(first.scan.specs), labels.names)
                assessment = assess(
                    trained.dataset,
                    trained.predict,
                    histograms,
                    monitor,
                    task=labels.task,
                    classes=len(labels.classes),
                    threshold=threshold,
                )
                if split_out is None:
                    trained.dataset.forget()  # no event is needed any more
                converted = convert(trained, assessment.rows.raw)
                if converted.reason:
                    monitor.warn(f"the native model will be served: {converted.reason}")
                judgement = judge(trained, assessment, monitor, threshold=threshold, core=converted.core)
                name, warnings = workflow.name, monitor.warnings
                with monitor.stage("report", None):
                    report = report_of(name, to_yaml(workflow), trained, converted, judgement, warnings)
                publish(
                    destination,
                    manifest_of(name, provenance(workflow), trained, converted, warnings),
                    trained,
                    source=training.model,
                    onnx=converted.onnx,
                    metrics=judgement.metrics,
                    report=report,
                    rows=assessment.rows.raw[:ROWS_READ_BACK],
                    function=function,
                    bad_files=bad.to_json() if bad.skips else None,
                )
                if split_out is not None:
                    write_split(trained.dataset, split_out)
        if histograms is not None and workflow.histograms is not None:
            write_branch_histograms(histograms, workflow.histograms)
    served, reason = converted.served, converted.reason
    return Result(destination, workflow, judgement.metrics, tuple(warnings), served, reason, trained.waiting)


def _prepare_xrootd(samples: Iterable[Sample], reading: Reading) -> None:
    """Set up XRootD's client if a file needs it.

    It comes before TensorFlow, which may be what the user's file imports: the other way round both crash.
    """
    paths = (resolve(path, reading.redirectors) for sample in samples for path in sample.files)
    if any(is_xrootd(place) for path in paths for place in replicas_of(path)):
        apply(reading.remote)
