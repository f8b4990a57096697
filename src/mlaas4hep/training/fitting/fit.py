"""Fit the user's model: from the first pass to a trained model with its learning curves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.config.sections.data import Reading
from mlaas4hep.config.sections.training import Training
from mlaas4hep.features.normalisation import LayoutChoice
from mlaas4hep.features.split import TRAIN, VALIDATION
from mlaas4hep.frameworks.target import TargetScale
from mlaas4hep.streaming.dataset.dataset import Dataset
from mlaas4hep.streaming.monitor import Advance, Monitor
from mlaas4hep.streaming.process_memory import give_back
from mlaas4hep.training.backends.base import Backend, FitSettings, History, Progress
from mlaas4hep.training.events.base import Events
from mlaas4hep.training.events.first_pass import FirstPass
from mlaas4hep.training.events.labelled import Labelled
from mlaas4hep.training.events.memory import check_memory
from mlaas4hep.training.events.outputs import OutputKind, find_output
from mlaas4hep.training.events.part import PartEvents
from mlaas4hep.training.events.target import Standardised, target_scale
from mlaas4hep.training.fitting import giveaway
from mlaas4hep.training.fitting.dataset import open_dataset
from mlaas4hep.training.fitting.model import Untrained
from mlaas4hep.training.fitting.rehearsal import few_of, rehearse

__all__ = ["Trained", "fit"]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model and what belongs to it.

    Attributes:
        first: the first pass over its files.
        labelled: labels and weights of its events.
        training: the settings it was trained with.
        predict: transformed rows to scores.
        output: what the scores are.
        target: how the target of a regression was shifted and scaled for the training; None for not at all.
        waiting: share of the time after the first epoch that the training waited for events; None without a second.
    """

    first: FirstPass
    labelled: Labelled
    training: Training
    model: Any
    backend: Backend
    history: History
    choice: LayoutChoice
    dataset: Dataset
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    waiting: float | None
    output: OutputKind
    target: TargetScale | None = None


def fit(
    untrained: Untrained,
    first: FirstPass,
    labelled: Labelled,
    training: Training,
    reading: Reading,
    checkpoint: Path,
    monitor: Monitor,
    *,
    resume: bool = False,
) -> Trained:
    """Fit the model to the training events; the caller closes the data set of the result.

    Args:
        untrained: the model and its columns.
        first: the first pass.
        labelled: labels and weights.
        training: epochs, batches, seed and so on.
        reading: chunks, threads, memory limit.
        checkpoint: folder for checkpoints.
        monitor: told about progress.
        resume: continue from the checkpoint.

    Raises:
        MLaaS4HEPError: the events do not fit into memory, or the model cannot be trained or written.
    """
    backend, choice, task = untrained.backend, untrained.choice, labelled.labels.task
    with ExitStack() as stack:
        dataset = open_dataset(first, labelled.labels, choice.layout, reading, monitor)
        stack.callback(dataset.close)
        given_away = giveaway.warning_of(dataset, labelled.labels)
        if given_away:
            monitor.warn(given_away)
        check_memory(dataset)

        def part(index: int) -> PartEvents:
            return PartEvents(
                dataset,
                index,
                labelled.weights,
                shuffle=training.shuffle and index == TRAIN,
                seed=training.seed,
                memory_limit=dataset.budget.limit,
            )

        events, validation = part(TRAIN), part(VALIDATION)
        passes = backend.passes(untrained.model, training.epochs, untrained.module)
        with monitor.stage("training", events.size * passes if passes else None) as advance:
            settings = FitSettings(
                task=task,
                classes=len(labelled.labels.classes),
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
                progress=_progress(events.size, advance, monitor.note, training.verbose),
                warn=monitor.warn,
                alert=monitor.alert,
                module=untrained.module,
                columns=choice.layout.model_columns,
                memory_limit=dataset.budget.limit,
            )
            probe = part(TRAIN)  # one of its own: it counts the times through
            target = _rehearsed(untrained, probe, settings, training.model)

            def seen(part: PartEvents) -> Events:
                return part if target is None else Standardised(part, target)

            fitted, history = backend.fit(untrained.model, seen(events), seen(validation), settings)
        sys.stdout.flush()
        give_back()
        if events.passes and dataset.chunk_size != reading.chunk_size:
            monitor.alert(f"chunks had {dataset.chunk_size} events: more do not fit into the memory limit")

        def predict(x: NDArray[np.float32]) -> NDArray[np.float32]:
            scores = backend.predict(fitted, x, task)
            return scores if target is None else target.back(scores)

        tried = validation if validation.size else events
        waiting = events.waiting
        output = find_output(backend.output(fitted, task), predict, tried, task, monitor.warn)
        stack.pop_all()
    choice = replace(choice, left_out={**choice.left_out, **settings.left_out})
    return Trained(
        first, labelled, training, fitted, backend, history, choice, dataset, predict, waiting, output, target
    )


def _rehearsed(untrained: Untrained, probe: PartEvents, settings: FitSettings, source: Path) -> TargetScale | None:
    """Try the model on a few events; return how the target of a regression is shifted and scaled, or None."""
    few = few_of(probe, settings.classes)
    if few is not None:
        rehearse(untrained.backend, untrained.model, few, settings, source)
    if settings.task != "regression":
        return None
    width = untrained.choice.layout.model_width
    return target_scale(
        probe, lambda: untrained.backend.takes_any_target(untrained.model, width, settings), settings.warn
    )


def _progress(size: int, advance: Advance, note: Callable[[str], None], verbose: int) -> Progress:
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
