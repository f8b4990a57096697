"""The quality of a bundle on other files: scores, metrics, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.read import Bundle
from mlaas4hep.config.parts import EventSettings
from mlaas4hep.config.sections.data import Reading, Sample
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError, NoEventsError
from mlaas4hep.features.cutflow import Cutflow, render
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.matrix import raw_matrix
from mlaas4hep.features.statistics.outside import Outside, Ranges
from mlaas4hep.prediction.function import function_of
from mlaas4hep.prediction.scoring import Scoring
from mlaas4hep.streaming.bad_files import BadFiles
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile, opened
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.ranges import FileRange, file_ranges
from mlaas4hep.streaming.scan.branches import check_inputs, choose_branches
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.training.events.labels import Labelling
from mlaas4hep.training.metrics.compute import evaluate
from mlaas4hep.training.metrics.gather import Gatherer
from mlaas4hep.training.report import render_report
from mlaas4hep.training.report.data import ReportData
from mlaas4hep.training.report.rows import cutflow_rows, file_rows

__all__ = ["Evaluation", "evaluate_bundle"]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gives: the figures and the report page; what of the events no training event was like."""

    metrics: dict[str, Any]
    report: str
    name: str
    outside: Outside = field(default_factory=Outside)


def evaluate_bundle(
    bundle: Bundle,
    samples: Sequence[Sample],
    reading: Reading,
    monitor: Monitor,
    *,
    label_branch: str | None = None,
    threads: int | None = None,
    trust_code: bool = False,
    executor: Executor | None = None,
    bad: BadFiles | None = None,
) -> Evaluation:
    """Score all events that pass the bundle's cuts and compare with their labels.

    The AMS uses the threshold that was chosen in training; the weights are those of these files.

    Args:
        bundle: the model.
        samples: files with their labels and weights.
        reading: redirector, format, workers.
        monitor: told about progress.
        label_branch: holds the label of the events of samples without one.
        threads: threads of the model's runtime.
        trust_code: run the ``model.py`` in the bundle, which a native torch model needs.
        executor: reads and scores the ranges. Default: as many threads as ``reading`` says.
        bad: told of files that are left out; None: no matter which.

    Raises:
        MLaaS4HEPError: a file or branch is missing, a label is unknown to the model, no event passes.
    """
    if label_branch is None and any(sample.label is None for sample in samples):
        raise ConfigError("a file has no label", hint="give one label per file, or the branch that holds it")
    manifest = bundle.manifest
    trained = Workflow.model_validate(manifest.provenance.configuration)
    function = function_of(bundle, trust_code=trust_code)
    scoring = Scoring(bundle, threads=threads, trust_code=trust_code)
    labels = Labelling(manifest.task, manifest.classes, text=True)
    threshold, cut = bundle.metrics.get("threshold", 0.5), (bundle.metrics.get("ams") or {}).get("threshold")
    ranges = Ranges.of(bundle.layout, bundle.specs.get("branches") or {})
    bad = BadFiles(reading) if bad is None else bad
    executor = executor or bad.executor(reading.threads)

    def gathered(files: tuple[DataFile, ...]) -> _Gathered:
        pipeline = _pipeline(bundle, files, replace(trained.event_settings, label_branch=label_branch))
        tasks = list(file_ranges(files, len(pipeline.needed), together=len(files)))
        job = _RangeScores(pipeline, bundle.layout, labels, scoring, ranges)
        gatherer = Gatherer(
            manifest.task, len(manifest.classes), ("data",), threshold=threshold, cuts=() if cut is None else (cut,)
        )
        cutflows: dict[str, Cutflow] = {}
        outside = Outside()
        with monitor.stage("evaluate", sum(map(len, tasks))) as advance:
            for task, found in zip(tasks, executor.map(job, tasks), strict=True):
                path = task.file.path
                known = cutflows.get(path)
                cutflows[path] = found.cutflow if known is None else known.merge(found.cutflow)
                if len(found.target):
                    outside.add(found.outside)
                    gatherer.add(found.target, found.scores, found.weight)
                advance(len(task), "")
        return _Gathered(gatherer, cutflows, outside, file_rows(files), cutflow_rows(cutflows, files))

    with opened(samples, trained.tree, reading, note=monitor.note, function=function, bad=bad) as files:
        done = bad.settled(files, gathered)
    data = done.gatherer.parts()
    if not data:
        raise NoEventsError("no event is left after the cuts", cutflow=render(done.cutflows).rstrip())
    outside, rows, flow = done.outside, done.rows, done.flow
    warning = outside.warning()
    if warning:
        monitor.warn(warning)
    metrics = evaluate(
        manifest.task,
        manifest.classes,
        data,
        threshold=threshold,
        output=manifest.outputs[0].kind,
        ams_threshold=cut,
    )
    report = render_report(
        ReportData(
            title=f"{manifest.name}: evaluation",
            task=manifest.task,
            classes=manifest.classes,
            metrics=metrics,
            parts=data,
            cutflow=flow,
            files=rows,
            target=manifest.target or "target",
            details={"model": f"{manifest.name} version {manifest.version}, {manifest.framework}, {manifest.created}"},
        )
    )
    return Evaluation(metrics, report, manifest.name, outside)


@dataclass(frozen=True)
class _Gathered:
    """What one pass over the files gave."""

    gatherer: Gatherer
    cutflows: dict[str, Cutflow]
    outside: Outside
    rows: Any
    flow: Any


def _pipeline(bundle: Bundle, files: Sequence[DataFile], settings: EventSettings) -> Pipeline:
    """The pipeline of the training over other files: every event in one part, features as the model takes them.

    Raises:
        ConfigError: a branch that the model takes is a label, a weight or an identifier here.
    """
    kinds = {branch.name: branch.kind for branch in bundle.manifest.inputs if branch.expression is None}
    for file in files:
        check_inputs(file, kinds)
    names = tuple(branch.name for branch in bundle.layout.branches)
    settings = replace(settings.unsplit(), include=names, identifier=())
    branches = choose_branches(files, settings)
    for name in names:
        if name not in branches.features:
            role = branches.left_out.get(name, "is left out")
            raise ConfigError(f"branch {name} {role}, but the model takes it as a feature")
    return Pipeline.of(branches, settings)


@dataclass(frozen=True, eq=False)
class _Scored:
    """Events of a range that pass the cuts: targets [n], scores float32 [n, outputs], weights float64 [n]."""

    cutflow: Cutflow
    target: NDArray[Any]
    scores: NDArray[np.float32]
    weight: NDArray[np.float64]
    outside: Outside


@dataclass(frozen=True)
class _RangeScores:
    """Reads and scores a range."""

    pipeline: Pipeline
    layout: Layout
    labels: Labelling
    scoring: Scoring
    ranges: Ranges

    def __call__(self, task: FileRange) -> _Scored:
        selected = self.pipeline(task)
        if not len(selected):
            none = np.empty(0, dtype=np.float32)
            return _Scored(selected.cutflow, none, none.reshape(0, 1), selected.weight, Outside())
        raw = raw_matrix(selected.columns, self.layout.branches, len(task), selected.index, self.layout.missing)
        label = selected.label if selected.label is not None else np.full(len(selected), task.file.sample.label)
        target = self.labels.target(label)
        return _Scored(selected.cutflow, target, self.scoring(raw), selected.weight, self.ranges.count(raw))
