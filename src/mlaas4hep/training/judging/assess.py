"""The trained model on all its events: scores of every part, and the rows that parity and importance are tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.split import PARTS, TEST, TRAIN, VALIDATION
from mlaas4hep.streaming.dataset.dataset import Block, Dataset
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.training.events.base import Task
from mlaas4hep.training.judging.histograms import Histograms
from mlaas4hep.training.metrics.gather import Gatherer
from mlaas4hep.training.metrics.parts import Scored

__all__ = ["ROWS_FOR_IMPORTANCE", "Assessment", "assess"]

ROWS_IN_MEMORY = 100_000
ROWS_FOR_IMPORTANCE = 5_000
MOST_SAMPLES = 20
MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Assessment:
    """Scores of all events.

    Attributes:
        parts: by name, those that hold events.
        rows: events of the test part (validation, or training, if there is no test part), spread evenly over it.
        rows_part: the name of the part they are from.
        samples: binary: the events of that part again, by sample; empty for other tasks and for very many samples.
    """

    parts: dict[str, Scored]
    rows: Block
    rows_part: str
    samples: Mapping[str, Scored] = field(default_factory=dict)

    def importance_rows(self, most: int = ROWS_FOR_IMPORTANCE) -> Block:
        """Fewer of the rows, spread evenly."""
        step = -(-len(self.rows) // min(most, ROWS_FOR_IMPORTANCE))
        return self.rows.take(slice(None, None, step))


def assess(
    dataset: Dataset,
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    histograms: Histograms | None,
    monitor: Monitor,
    *,
    task: Task,
    classes: int,
    threshold: float = 0.5,
) -> Assessment:
    """Score every event once, in the order of the files.

    Args:
        dataset: all events.
        predict: transformed rows to scores.
        histograms: filled with all events, if given.
        monitor: told about progress.
        task: binary, multiclass or regression.
        classes: number of classes; 0 for regression.
        threshold: binary: score from which an event counts as signal.
    """
    gatherer = Gatherer(task, classes, PARTS, threshold=threshold)
    kept_part = next(part for part in (TEST, VALIDATION, TRAIN) if dataset.size(part))
    room = max(1, min(ROWS_IN_MEMORY, dataset.budget.rows(MOST_BYTES) // (4 * dataset.layout.width + 32)))
    step = -(-dataset.size(kept_part) // room)
    names, sample_of = _samples(dataset) if task == "binary" else ((), np.zeros(0, dtype=np.int8))
    by_sample = Gatherer(task, classes, names, threshold=threshold) if names else None
    kept: list[Block] = []
    seen = 0
    with monitor.stage("scoring", dataset.scan.used) as advance:
        for block in dataset.in_order():
            x = dataset.layout.transform(block.raw)
            scores = predict(x)
            gatherer.add(block.y, scores, block.weight, block.part)
            of_part = np.flatnonzero(block.part == kept_part)
            kept.append(block.take(of_part[(-seen) % step :: step]))
            seen += len(of_part)
            if by_sample is not None:
                some = block.take(of_part)
                by_sample.add(some.y, scores[of_part], some.weight, sample_of[some.file])
            if histograms is not None:
                histograms.fill(block.raw, x, block.y)
            advance(len(block), "")
    samples = by_sample.parts() if by_sample is not None else {}
    return Assessment(gatherer.parts(), Block.join(kept), PARTS[kept_part], samples)


def _samples(dataset: Dataset) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Names of the samples in the user's order, and the position of each file's sample; none if there are many."""
    files = sorted(dataset.files, key=lambda file: file.index)
    names = tuple(dict.fromkeys(file.sample.name for file in files))
    if len(names) > MOST_SAMPLES:
        return (), np.zeros(0, dtype=np.int8)
    sample_of = np.zeros(max(file.index for file in files) + 1, dtype=np.int8)
    for file in files:
        sample_of[file.index] = names.index(file.sample.name)
    return names, sample_of
