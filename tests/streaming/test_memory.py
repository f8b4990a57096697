"""Memory is a parameter: what one epoch allocates follows from the limit, not from the number of events."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from mlaas4hep.config import Split
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.streaming import ranges as scanning
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Dataset, Order
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import close_files, open_files
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.streaming.scan.scan import scan
from tests.support.written import workflow_of

FLAT = tuple(f"f{i}" for i in range(4))
JAGGED = tuple(f"Jet_{i}" for i in range(4))
LENGTH = 24
LAYOUT = Layout(
    (
        *(FeatureBranch(name, "flat", 1, 0.0, 1.0, -1e38, -1.0) for name in FLAT),
        *(FeatureBranch(name, "jagged", LENGTH, 0.0, 1.0, -1e38, -1.0) for name in JAGGED),
    )
)
CLUSTER = 1000
LIMIT = 8 * 2**20
READING = 3 * 2**20
"""Room for what reading two ranges of 2000 events needs beside the events: baskets, columns, Python's own objects."""


def write(path: Path, events: int) -> Path:
    rng = np.random.default_rng(1)
    types = {**dict.fromkeys(FLAT, np.dtype(np.float32)), **dict.fromkeys(JAGGED, "var * float32")}
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", types)
        for _ in range(events // CLUSTER):
            counts = rng.poisson(3, CLUSTER)
            columns = {name: rng.normal(size=CLUSTER).astype(np.float32) for name in FLAT}
            lists = {name: ak.unflatten(rng.normal(size=counts.sum()).astype(np.float32), counts) for name in JAGGED}
            tree.extend({**columns, **lists})
    return path


def peak_of(path: Path, limit: int, *, chunk_size: int = 1000) -> tuple[int, int]:
    """Largest sum of allocations during two shuffled epochs, in bytes; and events seen in one."""
    workflow = workflow_of({"a": (path, "a")})
    files = open_files(workflow.samples, "Events", workflow.reading)
    split = Split(validation=0.0, test=0.0)
    pipeline = Pipeline(Preprocessing(), (*FLAT, *JAGGED), (), None, None, "keep", split)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "target_events", lambda _files: 2 * CLUSTER)
        found = scan(files, pipeline, monitor=Collector())
    dataset = Dataset(
        files, pipeline, found, LAYOUT, lambda labels: np.zeros(len(labels)), chunk_size=chunk_size,
        executor=Executor(2), budget=Budget(limit),
    )  # fmt: skip
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for epoch in range(2):
            seen = sum(len(chunk) for chunk in dataset.chunks(0, Order(0, epoch, shuffle=True)))
        return tracemalloc.get_traced_memory()[1] - before, seen
    finally:
        tracemalloc.stop()
        dataset.close()
        close_files(files)


def test_allocations_do_not_grow_with_the_data(tmp_path: Path) -> None:
    small, large = (write(tmp_path / f"{events}.root", events) for events in (20_000, 80_000))
    peak_of(small, LIMIT)  # compiles
    row = 4 * LAYOUT.width
    peaks = []
    for path, events in ((small, 20_000), (large, 80_000)):
        peak, seen = peak_of(path, LIMIT)
        assert seen == events
        assert events * row > LIMIT // 2  # it cannot be kept
        peaks.append(peak)
    assert max(peaks) < LIMIT + READING
    assert peaks[1] < peaks[0] + 2 * 2**20  # the threads' luck; the data grew by 24 MB


def test_allocations_follow_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", 80_000)
    peak_of(path, LIMIT)
    tight, wide = peak_of(path, LIMIT)[0], peak_of(path, 3 * LIMIT)[0]
    assert tight < LIMIT + READING
    assert tight < wide < 3 * LIMIT + READING
    huge = peak_of(path, 2**40)[0]
    assert huge > 80_000 * 4 * LAYOUT.width  # all of it is kept, so that the second epoch reads nothing


def test_a_chunk_larger_than_the_limit_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", 40_000)
    peak_of(path, LIMIT, chunk_size=-1)
    peak, seen = peak_of(path, LIMIT, chunk_size=-1)
    assert seen == 40_000
    assert peak < LIMIT + READING


def test_the_limit_is_what_is_configured_or_a_quarter_of_the_machine() -> None:
    assert Budget.of(3_000_000) == Budget(3_000_000)
    assert Budget.of(None).limit > 2**20
