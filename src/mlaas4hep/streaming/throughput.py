"""How fast events can be read from where they lie and made into chunks: a bounded measurement for users.

The steps are those of a training: reading alone, the first pass (specs), chunks, and chunks of what is kept in memory.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from mlaas4hep.config.workflow import Split, Workflow
from mlaas4hep.errors import NoEventsError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.normalisation import build_layout
from mlaas4hep.features.split import TRAIN
from mlaas4hep.streaming.branches import BranchChoice, choose_branches
from mlaas4hep.streaming.budget import Budget
from mlaas4hep.streaming.dataset import Dataset, Order
from mlaas4hep.streaming.files import DataFile, close_files, open_files
from mlaas4hep.streaming.head import Head, stored_bytes
from mlaas4hep.streaming.monitor import Collector, Monitor
from mlaas4hep.streaming.pipeline import Pipeline
from mlaas4hep.streaming.scan import scan
from mlaas4hep.streaming.schedule import ordered_map, ranges_of, target_events

__all__ = ["RAW_SHARE", "Step", "Throughput", "throughput"]

RAW_SHARE = 6
"""Reading alone gets this part of the time; the other steps go over the same events."""

WARM = 1_000


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: raw, specs, chunks or cached.
        events: that were read.
        seconds: taken.
        branch_bytes: uncompressed numbers of the branches.
        file_bytes: of the file that hold them; None if not known.
        column_bytes: of the float32 columns that came out.
        peak: largest memory of the process until the end of the step, bytes.
    """

    name: str
    events: int
    seconds: float
    branch_bytes: int
    file_bytes: int | None
    column_bytes: int
    peak: int


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


def throughput(workflow: Workflow, monitor: Monitor, *, events: int, seconds: float) -> Throughput:
    """Measure on the first events of each file.

    Args:
        workflow: files, tree, branches, threads, memory limit; labels and training do not matter.
        monitor: told about progress, and why a step is left out.
        events: at most so many over all files; -1: as many as the time allows.
        seconds: about so long in all; reading alone stops after a sixth of it.

    Raises:
        MLaaS4HEPError: a file, tree or branch is missing or damaged, no event is there.
    """
    files = open_files(workflow.samples, workflow.tree, workflow.reading, twins=True)
    try:
        choice = choose_branches(files, workflow)
        names = _pipeline(choice, workflow).needed
        _compile(files, choice, workflow)
        workers = workflow.reading.threads
        raw, heads = _raw(files, names, workers, events, seconds / RAW_SHARE, monitor)
        rest, columns = _steps(heads, choice, workflow, raw, monitor)
        return Throughput((raw, *rest), len(heads), len(names), columns, workers)
    finally:
        close_files(files)


def _raw(
    files: Sequence[DataFile], names: tuple[str, ...], workers: int, events: int, seconds: float, monitor: Monitor
) -> tuple[Step, list[DataFile]]:
    """Reading alone, of the files in turn; and the files cut to what was read."""
    total = sum(file.source.entries for file in files)
    limit = total if events < 0 else min(events, total)
    ends = dict.fromkeys(range(len(files)), 0)
    size = done = 0
    start = time.perf_counter()

    def read(task: tuple[int, int, int]) -> tuple[int, int, int, int]:
        number, first, last = task
        return (*task, sum(map(_bytes, files[number].source.read(names, first, last).values())))

    with monitor.stage("raw reading", limit) as advance:
        for number, first, last, read_bytes in ordered_map(read, _ranges(files, limit), workers):
            ends[number] = last
            size, done = size + read_bytes, done + last - first
            advance(last - first, "")
            if time.perf_counter() - start > seconds:
                break
    taken = time.perf_counter() - start
    if not done:
        raise NoEventsError("the files hold no event")
    heads = [replace(files[n], source=Head(files[n].source, end)) for n, end in ends.items() if end]
    return Step("raw", done, taken, size, stored_bytes(heads, names), 0, _peak()), heads


def _ranges(files: Sequence[DataFile], limit: int) -> Iterator[tuple[int, int, int]]:
    """The first ranges of all files, then the second ones, and so on; ``limit`` entries, each file has its share."""
    target, total = target_events(len(files)), sum(file.source.entries for file in files)
    ends = [-(-limit * file.source.entries // max(total, 1)) for file in files]
    ranges = [[(n, *found) for found in ranges_of(file.source.clusters, target)] for n, file in enumerate(files)]
    for turn in zip_longest(*ranges):
        for found in turn:
            if found is not None:
                number, first, last = found
                last = min(last, ends[number], first + limit)
                if last > first:
                    limit -= last - first
                    yield number, first, last


def _steps(
    files: Sequence[DataFile], choice: BranchChoice, workflow: Workflow, raw: Step, monitor: Monitor
) -> tuple[list[Step], int]:
    """Specs, chunks, cached chunks; and the number of feature columns."""
    pipeline = _pipeline(choice, workflow)
    steps: list[Step] = []

    def step(name: str, work: Callable[[], int]) -> None:
        start = time.perf_counter()
        size = work()
        taken = time.perf_counter() - start
        steps.append(replace(raw, name=name, seconds=taken, column_bytes=size, peak=_peak()))

    found: list[Any] = []

    def specs() -> int:
        found.append(scan(files, pipeline, workers=workflow.reading.threads, count_labels=False, monitor=monitor))
        return 0

    step("specs", specs)
    layout = build_layout(found[0].specs, workflow.features, nan=False).layout
    budget = Budget(workflow.reading.memory_limit or psutil.virtual_memory().total // 4)
    chunk_size, workers = workflow.reading.chunk_size, workflow.reading.threads
    dataset = Dataset(
        files, pipeline, found[0], layout, _no_target, chunk_size=chunk_size, workers=workers, budget=budget
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
        if needed <= budget.keep:
            step("cached", lambda: epoch(1, "cached epoch"))
        else:
            monitor.note(f"no cached epoch: {needed / 1e6:.0f} MB do not stay in memory within the memory limit")
    finally:
        dataset.close()
    return steps, layout.model_width


def _compile(files: Sequence[DataFile], choice: BranchChoice, workflow: Workflow) -> None:
    """Go through all steps with a few events, so that no clock sees compilation or imports."""
    file = next((file for file in files if file.source.entries), None)
    if file is not None:
        head = replace(file, source=Head(file.source, min(WARM, file.source.entries)))
        _steps([head], choice, workflow, Step("raw", WARM, 1.0, 0, None, 0, 0), Collector())


def _pipeline(choice: BranchChoice, workflow: Workflow) -> Pipeline:
    return Pipeline(
        preprocessing=choice.preprocessing,
        features=choice.features,
        identifier=choice.identifier,
        label_branch=None,
        weight_branch=None,
        negative="keep",
        split=Split(validation=0.0, test=0.0),
        missing=workflow.features.missing,
    )


def _no_target(labels: NDArray[Any]) -> NDArray[np.float32]:
    return np.zeros(len(labels), dtype=np.float32)


def _bytes(column: Column) -> int:
    return int(column.values.nbytes if isinstance(column, Jagged) else column.nbytes)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
