"""How fast events can be read from where they lie and made into chunks: a bounded measurement for users.

The steps are those of a training: reading alone, the first pass (specs), chunks, and chunks of what is kept in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.config.parts import EventSettings
from mlaas4hep.config.sections.data import Reading
from mlaas4hep.config.sections.features import Features
from mlaas4hep.features.normalisation import build_layout
from mlaas4hep.features.split import TRAIN
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Dataset, Order
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.measure.head import Head
from mlaas4hep.streaming.measure.raw_reading import Step, read_raw
from mlaas4hep.streaming.monitor import Collector, Monitor
from mlaas4hep.streaming.process_memory import peak_memory
from mlaas4hep.streaming.scan.branches import choose_branches
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.streaming.scan.scan import scan

__all__ = ["RAW_SHARE", "Step", "Throughput", "throughput"]

RAW_SHARE = 6
"""Reading alone gets this part of the time; the other steps go over the same events."""

WARM = 1_000


@dataclass(frozen=True)
class Throughput:
    """All steps, and what they were about: files, branches that were read, feature columns, threads."""

    steps: tuple[Step, ...]
    files: int
    branches: int
    columns: int
    workers: int

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(step.seconds for step in self.steps)


def throughput(
    files: Sequence[DataFile],
    settings: EventSettings,
    features: Features,
    reading: Reading,
    monitor: Monitor,
    *,
    events: int,
    seconds: float,
    executor: Executor | None = None,
) -> Throughput:
    """Measure on the first events of each file.

    Args:
        files: open ones.
        settings: what is read of each event; labels, weights and split do not matter.
        features: how branches become columns.
        reading: threads, chunks, memory limit.
        monitor: told about progress, and why a step is left out.
        events: at most this many over all files; -1: as many as the time allows.
        seconds: about how long it takes in all; reading alone stops after a sixth of it.
        executor: of the first pass. Default: as many threads as ``reading`` says.

    Raises:
        MLaaS4HEPError: a branch is missing or damaged, no event is there.
    """
    choice = choose_branches(files, settings)
    pipeline = Pipeline.of(choice, replace(settings.unsplit(), label_branch=None, weight_branch=None, negative="keep"))
    _compile(files, pipeline, features, reading)
    raw, heads = read_raw(
        files, pipeline.needed, executor or Executor(reading.threads), events, seconds / RAW_SHARE, monitor
    )
    rest, columns = _steps(heads, pipeline, features, reading, raw, monitor)
    return Throughput((raw, *rest), len(heads), len(pipeline.needed), columns, reading.threads)


def _steps(
    files: Sequence[DataFile], pipeline: Pipeline, features: Features, reading: Reading, raw: Step, monitor: Monitor
) -> tuple[list[Step], int]:
    """Specs, chunks, cached chunks; and the number of feature columns."""
    executor = Executor(reading.threads)
    steps: list[Step] = []

    def step(name: str, work: Callable[[], int]) -> None:
        start = time.perf_counter()
        size = work()
        taken = time.perf_counter() - start
        steps.append(replace(raw, name=name, seconds=taken, column_bytes=size, peak=peak_memory()))

    found: list[Any] = []

    def specs() -> int:
        found.append(scan(files, pipeline, executor=executor, count_labels=False, monitor=monitor))
        return 0

    step("specs", specs)
    layout = build_layout(found[0].specs, features, nan=False).layout
    dataset = Dataset(
        files,
        pipeline,
        found[0],
        layout,
        _no_target,
        chunk_size=reading.chunk_size,
        executor=executor,
        budget=Budget.of(reading.memory_limit),
    )

    def epoch(number: int, title: str) -> int:
        size = 0
        with monitor.stage(title, raw.events) as advance:
            for chunk in dataset.chunks(TRAIN, Order(0, number, shuffle=True)):
                size += chunk.x.nbytes
                advance(len(chunk.x), "")
        return size

    try:
        step("chunks", lambda: epoch(0, "chunks"))
        needed = dataset.bytes_of(found[0].used)
        if needed <= dataset.budget.keep:
            step("cached", lambda: epoch(1, "cached epoch"))
        else:
            monitor.note(f"no cached epoch: {needed / 1e6:.0f} MB do not stay in memory within the memory limit")
    finally:
        dataset.close()
    return steps, layout.model_width


def _compile(files: Sequence[DataFile], pipeline: Pipeline, features: Features, reading: Reading) -> None:
    """Go through all steps with a few events, so that no clock sees compilation or imports."""
    file = next((file for file in files if file.source.entries), None)
    if file is not None:
        head = replace(file, source=Head(file.source, min(WARM, file.source.entries)))
        _steps([head], pipeline, features, reading, Step("raw", WARM, 1.0, 0, None, 0, 0), Collector())


def _no_target(labels: NDArray[Any]) -> NDArray[np.float32]:
    return np.zeros(len(labels), dtype=np.float32)
