"""Everything before a model is built: open the files, decide on branches, scan, labels, weights, layout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from mlaas4hep.config.sections.data import Reading
from mlaas4hep.config.sections.events import Split
from mlaas4hep.config.specs_file import read_legacy_specs
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError
from mlaas4hep.features.cutflow import render
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.normalisation import LayoutChoice, build_layout, layout_from_legacy
from mlaas4hep.features.statistics.exact import ExactSum
from mlaas4hep.streaming.cache import Cache
from mlaas4hep.streaming.dataset.keys import UnknownVersionError, scan_key
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile, close_files, open_files
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.scan.branches import BranchChoice, choose_branches
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.streaming.scan.result import Scan, cutflows_of
from mlaas4hep.streaming.scan.scan import scan
from mlaas4hep.streaming.scan.state import scan_from_state, scan_to_state
from mlaas4hep.training.events.labels import Labelling, check_labels, labelling
from mlaas4hep.training.events.weighting import ClassTotals, TrainingWeights, class_totals, training_weights

__all__ = ["Prepared", "memory_limit", "opened", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """What the first pass gives.

    Attributes:
        full_sums: sums of physics weights of each class over all events that pass the cuts, used or not, float64 [C].
        cache: what keeps specs and rows for later, if the user wants one.
        key: of the first pass in the cache.
    """

    files: tuple[DataFile, ...]
    branches: BranchChoice
    pipeline: Pipeline
    scan: Scan
    labels: Labelling
    totals: ClassTotals
    weights: TrainingWeights
    full_sums: tuple[float, ...]
    cache: Cache | None = None
    key: str = ""

    def layout(self, workflow: Workflow, *, nan: bool) -> LayoutChoice:
        """The feature layout, for a model that takes NaN or not."""
        if workflow.specs is None:
            choice = build_layout(self.scan.specs, workflow.features, nan=nan)
        else:
            legacy = read_legacy_specs(workflow.specs)
            layout: Layout = layout_from_legacy(legacy, self.branches.features, workflow.features, nan=nan)
            choice = LayoutChoice(layout, {}, ())
        if not choice.layout.branches:
            raise ConfigError("every feature is missing in every training event", hint="look at `mlaas4hep specs`")
        return choice


def memory_limit(workflow: Workflow) -> int:
    """Bytes that event data may take: what is configured, else a quarter of the machine's memory."""
    return workflow.reading.memory_limit or psutil.virtual_memory().total // 4


def open_cache(reading: Reading, monitor: Monitor) -> Cache | None:
    """The cache that is configured; None if there is none."""
    if reading.cache is None:
        return None
    return Cache(reading.cache, reading.cache_limit, monitor.note, monitor.alert)


def cached_scan(cache: Cache, key: str, monitor: Monitor) -> Scan | None:
    """The first pass of an earlier run over the same files with the same configuration; says what it does."""
    try:
        state = cache.document(key)
        found = None if state is None else scan_from_state(state)
    except ValueError as error:
        monitor.alert(f"cache {cache.folder}: {error}; the specs are computed anew")
        return None
    if found is None:
        monitor.note(f"cache {cache.folder}: no specs of these files with this configuration; they are computed")
    else:
        monitor.note(f"cache {cache.folder}: specs of the same files and configuration are used again")
    return found


@contextmanager
def opened(workflow: Workflow, monitor: Monitor | None = None) -> Iterator[tuple[DataFile, ...]]:
    """All files of the workflow, in canonical order."""
    files = open_files(workflow.samples, workflow.tree, workflow.reading, note=monitor.note if monitor else None)
    try:
        yield files
    finally:
        close_files(files)


def make_pipeline(workflow: Workflow, branches: BranchChoice, split: Split) -> Pipeline:
    """The pipeline that the configuration describes."""
    return Pipeline(
        preprocessing=branches.preprocessing,
        features=branches.features,
        identifier=branches.identifier,
        label_branch=workflow.label_branch,
        weight_branch=workflow.weights.branch,
        negative=workflow.weights.negative,
        split=split,
        missing=workflow.features.missing,
    )


def prepare(workflow: Workflow, files: tuple[DataFile, ...], monitor: Monitor) -> Prepared:
    """Run the first pass and decide on labels and weights.

    Raises:
        MLaaS4HEPError: any mistake in configuration or data that can be seen by now.
    """
    assert workflow.training is not None
    check_labels(workflow)
    branches = choose_branches(files, workflow)
    for note in branches.notes:
        monitor.note(note)
    for warning in branches.warnings:
        monitor.warn(warning)
    pipeline = make_pipeline(workflow, branches, workflow.split)
    regression = workflow.training.task == "regression"
    cache = open_cache(workflow.reading, monitor)
    key = ""
    found = None
    if cache is not None:
        try:
            key = scan_key(files, pipeline, events=workflow.events, count_labels=not regression)
            found = cached_scan(cache, key, monitor)
        except UnknownVersionError as error:
            monitor.alert(f"cache {cache.folder}: not used, since the server tells no version of {error}")
            cache = None
    if found is None:
        found = scan(
            files,
            pipeline,
            events=workflow.events,
            executor=Executor(workflow.reading.threads),
            count_labels=not regression,
            monitor=monitor,
        )
        if cache is not None:
            cache.store_document(key, scan_to_state(found))
    if pipeline.selects:
        monitor.note(render(cutflows_of(files, found.files)))
    labels = labelling(list(found.labels), workflow.training.task, workflow.training.signal)
    if labels.guessed:
        monitor.warn(
            f"{labels.names[1]} is taken as the signal and {labels.names[0]} as the background, by the alphabet alone: "
            "name the signal under training.signal"
        )
    totals = class_totals(found.labels, labels, workflow.split)
    weights = training_weights(workflow, labels, totals)
    sums = _full_sums(found, labels)
    return Prepared(files, branches, pipeline, found, labels, totals, weights, sums, cache, key)


def _full_sums(found: Scan, labels: Labelling) -> tuple[float, ...]:
    sums = [ExactSum() for _ in labels.classes]
    for label, passing in found.passing.items() if labels.classes else ():
        sums[labels.index(label)] += passing
    return tuple(total.value() for total in sums)
