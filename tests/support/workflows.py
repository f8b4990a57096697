"""The steps below a workflow, called with the parts of it that each needs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mlaas4hep.config.specs_file import read_legacy_specs
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.normalisation import LayoutChoice
from mlaas4hep.streaming import files
from mlaas4hep.streaming.dataset.dataset import Block
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.monitor import Collector, Monitor
from mlaas4hep.streaming.scan.summary import FileSpecs, scan_specs
from mlaas4hep.training.events.columns import choose_columns
from mlaas4hep.training.events.first_pass import FirstPass, first_pass
from mlaas4hep.training.events.labelled import Labelled, label_events
from mlaas4hep.training.fitting.dataset import open_dataset
from mlaas4hep.training.fitting.fit import Trained, fit
from mlaas4hep.training.fitting.model import build, load_user_module

__all__ = ["Prepared", "fitted", "opened", "prepare", "read_all", "specs_of"]


def opened(workflow: Workflow) -> AbstractContextManager[tuple[DataFile, ...]]:
    """The files of a workflow, open."""
    return files.opened(workflow.samples, workflow.tree, workflow.reading)


def specs_of(workflow: Workflow, monitor: Monitor) -> FileSpecs:
    """Specs over all files of a workflow."""
    with files.opened(workflow.samples, workflow.tree, workflow.reading, note=monitor.note) as found:
        settings, executor = workflow.event_settings, Executor(workflow.reading.threads)
        return scan_specs(found, settings, monitor, events=workflow.events, executor=executor).specs


class Prepared(NamedTuple):
    """What a training knows before it builds a model."""

    first: FirstPass
    labelled: Labelled

    def columns(self, workflow: Workflow, *, nan: bool = False) -> LayoutChoice:
        """The feature columns."""
        specs = read_legacy_specs(workflow.specs) if workflow.specs else None
        return choose_columns(self.first, workflow.features, specs, nan=nan)


def prepare(workflow: Workflow, files: tuple[DataFile, ...], monitor: Monitor) -> Prepared:
    """The first pass, labels and weights, as a training has them."""
    training = workflow.training
    assert training is not None
    first = first_pass(
        files,
        workflow.event_settings,
        workflow.reading,
        monitor,
        events=workflow.events,
        count_labels=training.task != "regression",
    )
    balance = workflow.weights.balance
    return Prepared(
        first, label_events(first, monitor.warn, task=training.task, signal=training.signal, balance=balance)
    )


def fitted(workflow: Workflow, files: tuple[DataFile, ...], folder: Path, monitor: Monitor) -> Trained:
    """The trained model; checkpoints go into a folder."""
    training = workflow.training
    assert training is not None
    prepared = prepare(workflow, files, monitor)
    choose = partial(choose_columns, prepared.first, workflow.features, None)
    untrained = build(load_user_module(training, monitor.warn), choose, monitor)
    return fit(untrained, *prepared, training, workflow.reading, folder, monitor)


def read_all(workflow: Workflow) -> tuple[Layout, Block]:
    """The layout of a workflow and all its events, in the order of the files."""
    with opened(workflow) as found:
        prepared = prepare(workflow, found, Collector())
        layout = prepared.columns(workflow).layout
        dataset = open_dataset(prepared.first, prepared.labelled.labels, layout, workflow.reading, Collector())
        block = Block.join(list(dataset.in_order()))
        dataset.close()
    return layout, block
