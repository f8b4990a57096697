"""Build the user's model and fit it: from a prepared workflow to a trained model with its learning curves."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.normalisation import LayoutChoice
from mlaas4hep.features.split import TRAIN, VALIDATION
from mlaas4hep.frameworks.target import TargetScale
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Dataset
from mlaas4hep.streaming.dataset.keys import rows_key
from mlaas4hep.streaming.dataset.rows import target_dtype
from mlaas4hep.streaming.dataset.store import DiskStore
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.process_memory import give_back
from mlaas4hep.training.backends import backend_for, backends
from mlaas4hep.training.backends.base import Backend, FitSettings, History, Progress
from mlaas4hep.training.events.memory import check_memory
from mlaas4hep.training.events.outputs import OutputKind, find_output
from mlaas4hep.training.events.part import PartEvents
from mlaas4hep.training.events.target import Standardised, target_scale
from mlaas4hep.training.fitting import giveaway
from mlaas4hep.training.fitting.rehearsal import few_of, rehearse
from mlaas4hep.training.prepare import Prepared, memory_limit
from mlaas4hep.training.user_code.imports import importing
from mlaas4hep.training.user_code.model_source import convolves, frameworks_wanted
from mlaas4hep.training.user_code.tensorflow_start import quiet_tensorflow, without_onednn
from mlaas4hep.training.user_code.user_model import build_model, load_model_file

__all__ = ["Trained", "load_user_module", "open_dataset", "train"]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model and what belongs to it.

    Attributes:
        predict: transformed rows to scores.
        output: what the scores are.
        target: how the target of a regression was shifted and scaled for the training; None for not at all.
        waiting: share of the time after the first epoch that the training waited for events; None without a second.
    """

    model: Any
    backend: Backend
    history: History
    choice: LayoutChoice
    dataset: Dataset
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    waiting: float | None
    output: OutputKind
    target: TargetScale | None = None


def load_user_module(workflow: Workflow, monitor: Monitor) -> ModuleType:
    """Run the user's file, with numpy's and Python's random numbers seeded; then seed the frameworks it wants.

    Raises:
        ModelFileError: the file is at fault.
        FrameworkMissingError: a framework is not installed.
    """
    training = workflow.training
    assert training is not None
    wanted = frameworks_wanted(training.model) if training.model.is_file() else set()
    if "keras" in wanted and convolves(training.model):
        without_onednn()
    random.seed(training.seed)
    np.random.seed(training.seed)  # noqa: NPY002 - what user code draws from
    with importing(), quiet_tensorflow():
        module = load_model_file(training.model, warn=monitor.warn)
        for name, backend in backends().items():
            if name in wanted:
                backend.seed(training.seed, training.threads)
    return module


def train(
    workflow: Workflow, prepared: Prepared, module: ModuleType, checkpoint: Path, monitor: Monitor, *, resume: bool
) -> Trained:
    """Build and fit the model."""
    training = workflow.training
    assert training is not None
    choice = prepared.layout(workflow, nan=False)
    if workflow.specs is not None:
        monitor.note(f"{workflow.specs}: its dimensions and ranges are used, as asked for")
    model = build_model(module, choice.layout.model_width, warn=monitor.warn)
    backend = backend_for(model)
    if backend.takes_missing(model):
        choice = prepared.layout(workflow, nan=True)
    for note in choice.notes:
        monitor.note(note)
    for warning in choice.warnings:
        monitor.warn(warning)
    with ExitStack() as stack:
        dataset = open_dataset(workflow, prepared, choice.layout)
        stack.callback(dataset.close)
        given_away = giveaway.warning_of(dataset, prepared.labels)
        if given_away:
            monitor.warn(given_away)
        check_memory(dataset)
        events = {part: _part(workflow, prepared, dataset, part) for part in (TRAIN, VALIDATION)}
        passes = backend.passes(model, training.epochs, module)
        with monitor.stage("training", events[TRAIN].size * passes if passes else None) as advance:
            settings = FitSettings(
                task=prepared.labels.task,
                classes=len(prepared.labels.classes),
                epochs=training.epochs,
                batch_size=training.batch_size,
                shuffle=training.shuffle,
                order=training.order,
                early_stopping=training.early_stopping,
                seed=training.seed,
                threads=training.threads,
                verbose=training.verbose,
                checkpoint=checkpoint,
                resume=resume,
                progress=_progress(events[TRAIN].size, advance, monitor.note, training.verbose),
                warn=monitor.warn,
                alert=monitor.alert,
                module=module,
                columns=choice.layout.model_columns,
                memory_limit=memory_limit(workflow),
            )
            target = None
            probe = _part(workflow, prepared, dataset, TRAIN)  # one of its own: it counts the times through
            few = few_of(probe, settings.classes)
            if few is not None:
                rehearse(backend, model, few, settings, training.model)
            if settings.task == "regression":
                width = choice.layout.model_width
                target = target_scale(probe, lambda: backend.takes_any_target(model, width, settings), monitor.warn)
            seen = {part: found if target is None else Standardised(found, target) for part, found in events.items()}
            fitted, history = backend.fit(model, seen[TRAIN], seen[VALIDATION], settings)
        sys.stdout.flush()
        give_back()
        if events[TRAIN].passes and dataset.chunk_size != workflow.reading.chunk_size:
            monitor.alert(f"chunks had {dataset.chunk_size} events: more do not fit into the memory limit")
        task = prepared.labels.task

        def predict(x: NDArray[np.float32]) -> NDArray[np.float32]:
            scores = backend.predict(fitted, x, task)
            return scores if target is None else target.back(scores)

        waiting = events[TRAIN].waiting
        tried = events[VALIDATION] if events[VALIDATION].size else events[TRAIN]
        output = find_output(backend.output(fitted, task), predict, tried, task, monitor.warn)
        stack.pop_all()
    choice = replace(choice, left_out={**choice.left_out, **settings.left_out})
    return Trained(fitted, backend, history, choice, dataset, predict, waiting, output, target)


def open_dataset(workflow: Workflow, prepared: Prepared, layout: Layout) -> Dataset:
    """All selected events, as the configuration wants them read and kept."""
    store = None
    labels = prepared.labels
    if prepared.cache is not None:
        key = rows_key(prepared.key, layout, [labels.task, labels.classes, labels.text])
        ranges = [found for _, found in prepared.scan.ranges]
        store = DiskStore(prepared.cache, key, ranges, layout.width, target_dtype(labels.target))
    return Dataset(
        prepared.files,
        prepared.pipeline,
        prepared.scan,
        layout,
        labels.target,
        chunk_size=workflow.reading.chunk_size,
        executor=Executor(workflow.reading.threads),
        budget=Budget(memory_limit(workflow)),
        store=store,
    )


def _part(workflow: Workflow, prepared: Prepared, dataset: Dataset, part: int) -> PartEvents:
    training = workflow.training
    assert training is not None
    return PartEvents(
        dataset,
        part,
        prepared.weights,
        shuffle=training.shuffle and part == TRAIN,
        seed=training.seed,
        memory_limit=memory_limit(workflow),
    )


def _progress(size: int, advance: Callable[[int, str], None], note: Callable[[str], None], verbose: int) -> Progress:
    """What a backend calls; counts on from the place it reached, of ``size`` events an epoch.

    With ``verbose`` 1 the figures of each epoch get a line of their own, with 2 those of each chunk as well.
    """
    reached = 0

    def progress(epoch: int, events_done: int, metrics: dict[str, float]) -> None:
        nonlocal reached
        now = epoch * size + events_done
        text = " ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        advance(max(now - reached, 0), f"epoch {epoch + 1} {text}".rstrip())
        reached = max(now, reached)
        if metrics and (verbose > 1 or (verbose and events_done >= size)):
            note(f"epoch {epoch + 1}, {events_done:,} events: {text}")

    return progress
