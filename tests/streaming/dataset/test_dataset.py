"""Events as blocks: each once, in proportion, in an order that only seed and epoch decide; against plain Python."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import wait
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.config import Reading, Sample, Split
from mlaas4hep.errors import FileReadError
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.features.split import PARTS, TRAIN
from mlaas4hep.streaming import ranges as module
from mlaas4hep.streaming.cache import Cache
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Block, Chunk, Dataset, Order
from mlaas4hep.streaming.dataset.rows import Rows
from mlaas4hep.streaming.dataset.store import DiskStore
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile, close_files, open_files
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.streaming.scan.scan import scan
from tests.support.budgets import Forgetful
from tests.support.reference import part_of
from tests.support.written import Event, make_events, workflow_of, write_rntuple, write_ttree

SAMPLES: dict[str, list[Event]] = {
    "signal": make_events(113, seed=1, signal=True),
    "background": make_events(170, seed=2, signal=False),
    "small": make_events(7, seed=3, signal=False),
    "empty": [],
}
LAYOUT = Layout(
    (
        FeatureBranch("met", "flat", 1, 0.0, 1.0, -1e38, -1.0),
        FeatureBranch("Jet_pt", "jagged", 2, 0.0, 1.0, -1e38, -1.0),
        FeatureBranch("cells", "jagged", 3, 0.0, 1.0, -1e38, -1.0),
    ),
    nan=True,
)
EVERYTHING = [(name, entry) for name, events in SAMPLES.items() for entry in range(len(events))]


KEEP = ("nowhere", "memory", "disk")
"""Where events are kept after they were read."""


def kept(where: str, folder: Path) -> dict[str, Any]:
    """Wishes for `dataset_of`."""
    wishes: dict[str, dict[str, Any]] = {"nowhere": {"keeps": False}, "disk": {"keeps": False, "cache": folder}}
    return wishes.get(where, {})


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dataset")
    trees = {name: write_ttree(folder / f"{name}.root", events) for name, events in SAMPLES.items()}
    return {**trees, "small": write_rntuple(folder / "small.root", SAMPLES["small"])}


@contextmanager
def dataset_of(paths: Mapping[str, Path], *, target: int = 30, events: int = -1, **wishes: Any) -> Iterator[Dataset]:
    """A dataset whose files have several ranges."""
    own = "label_branch" not in wishes  # labels of files, else of a branch
    workflow = workflow_of({name: (path, name if own else None) for name, path in paths.items()})
    pipeline = Pipeline(
        Preprocessing(),
        features=("met", "Jet_pt", "cells"),
        identifier=("run", "luminosityBlock", "event"),
        label_branch=wishes.pop("label_branch", None),
        weight_branch="w",
        negative="keep",
        split=wishes.pop("split", Split(validation=0.25, test=0.25)),
    )
    files = open_files(workflow.samples, "Events", workflow.reading)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "target_events", lambda _files: target)
        found = scan(files, pipeline, events=events, monitor=Collector())
    wishes["executor"] = Executor(wishes.pop("workers", 1))
    label = wishes.pop("label", codes)
    memory = wishes.pop("memory", 2**40)
    budget = Budget(memory) if wishes.pop("keeps", True) else Forgetful(memory)
    cache = wishes.pop("cache", None)
    store = None
    if cache is not None:
        ranges = [one for _, one in found.ranges]
        store = DiskStore(Cache(cache, 2**30, print), "ab" * 16, ranges, LAYOUT.width, np.dtype(np.int64))
    dataset = Dataset(files, pipeline, found, LAYOUT, label, budget=budget, store=store, **{"chunk_size": -1, **wishes})
    try:
        yield dataset
    finally:
        dataset.close()
        close_files(files)


def codes(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    names = list(SAMPLES)
    return np.array([names.index(str(label)) for label in labels], dtype=np.int64)


def rows_of(event: Event) -> list[float]:
    pts = [*event["Jet_pt"][:2], math.nan, math.nan][:2]
    return [event["met"], *pts, *event["cells"]]


def part(event: Event) -> int:
    return part_of([event[n] for n in ("run", "luminosityBlock", "event")], validation=0.25, test=0.25, seed=0)


def named(dataset: Dataset, block: Block | Chunk) -> list[tuple[str, int]]:
    names = {file.index: file.sample.name for file in dataset.files}
    return [(names[int(file)], int(entry)) for file, entry in zip(block.file, block.entry, strict=True)]


def check(dataset: Dataset, block: Block | Chunk) -> None:
    """Every column against the event it came from; what the model sees are the raw values, missing ones as NaN."""
    events = [SAMPLES[name][entry] for name, entry in named(dataset, block)]
    expected = np.array([rows_of(event) for event in events], dtype=np.float32).reshape(len(events), 6)
    if isinstance(block, Block):
        np.testing.assert_array_equal(block.raw, expected)
        np.testing.assert_array_equal(block.part, [part(event) for event in events])
        assert (block.raw.dtype, block.part.dtype) == ("f4", "i1")
    else:
        np.testing.assert_array_equal(block.x, np.where(np.isinf(expected), np.nan, expected))
        assert block.x.dtype == "f4"
    np.testing.assert_array_equal(block.weight, [event["w"] for event in events])
    assert (block.weight.dtype, block.file.dtype, block.entry.dtype) == ("f8", "i4", "i8")


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("keep", KEEP)
@pytest.mark.parametrize("chunk_size", [1, 10, 64, -1])
def test_every_event_once_and_as_it_is(
    paths: dict[str, Path], tmp_path: Path, chunk_size: int, keep: str, *, shuffle: bool
) -> None:
    with dataset_of(paths, chunk_size=chunk_size, **kept(keep, tmp_path)) as dataset:
        seen: list[tuple[str, int]] = []
        for index in range(len(PARTS)):
            expected = [key for key in EVERYTHING if part(SAMPLES[key[0]][key[1]]) == index]
            assert dataset.size(index) == len(expected)
            for _ in range(2):
                blocks = list(dataset.chunks(index, Order(3, 1, shuffle)))
                mine = [key for block in blocks for key in named(dataset, block)]
                assert sorted(mine) == sorted(expected)
            for block in blocks:
                check(dataset, block)
                np.testing.assert_array_equal(block.y, [list(SAMPLES).index(n) for n, _ in named(dataset, block)])
            seen += mine
            if chunk_size == -1:
                assert len(blocks) == 1
            elif chunk_size != -1:
                assert all(map(len, blocks))
                if chunk_size > len(SAMPLES):
                    assert len(blocks) == math.ceil(len(expected) / chunk_size)
                assert max(len(block) for block in blocks) <= chunk_size + len(SAMPLES)
        assert sorted(seen) == sorted(EVERYTHING)


def test_every_chunk_holds_every_file_in_proportion(paths: dict[str, Path]) -> None:
    with dataset_of(paths, chunk_size=12) as dataset:
        sizes = [found.part(0) for found in dataset.scan.files]
        total = sum(sizes)
        for block in dataset.chunks(0, Order(1, 0, shuffle=True)):
            for file, size in zip(dataset.files, sizes, strict=True):
                mine = int(np.sum(block.file == file.index))
                assert abs(mine - len(block) * size / total) < 2.0


def test_many_files_of_one_size_take_turns(tmp_path: Path) -> None:
    events = [make_events(3, seed=seed, signal=False) for seed in range(12)]
    paths = {str(i): write_ttree(tmp_path / f"{i}.root", mine) for i, mine in enumerate(events)}
    with dataset_of(paths, split=Split(validation=0.0, test=0.0), label=lambda labels: labels, chunk_size=4) as dataset:
        assert [len(block) for block in dataset.chunks(0)] == [4] * 9


def test_order_of_unshuffled_chunks(paths: dict[str, Path]) -> None:
    with dataset_of(paths) as dataset:
        (block,) = dataset.chunks(0)
        order = [file.sample.name for file in dataset.files]
        keys = named(dataset, block)
        assert keys == sorted(keys, key=lambda key: (order.index(key[0]), key[1]))


def test_shuffling_by_seed_and_epoch(paths: dict[str, Path]) -> None:
    with dataset_of(paths, chunk_size=40) as dataset:

        def keys(order: Order) -> list[tuple[str, int]]:
            return [key for block in dataset.chunks(0, order) for key in named(dataset, block)]

        first = keys(Order(1, 0, shuffle=True))
        assert first == keys(Order(1, 0, shuffle=True))
        others = [keys(Order(*order)) for order in ((1, 1, True), (2, 0, True), (0, 0, False))]
        assert all(other != first for other in others)
        assert all(sorted(other) == sorted(first) for other in others)


def test_shuffled_events_of_a_file_are_mixed_over_its_ranges(paths: dict[str, Path]) -> None:
    with dataset_of({"background": paths["background"]}, target=20) as dataset:
        (block,) = dataset.chunks(0, Order(5, 0, shuffle=True))
        assert np.mean(np.abs(np.diff(block.entry))) > 20  # neighbours come from different ranges of 20 entries


@pytest.mark.parametrize("target", [10, 30, 16_384])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("keep", KEEP)
def test_in_order(paths: dict[str, Path], tmp_path: Path, target: int, workers: int, keep: str) -> None:
    with dataset_of(paths, target=target, workers=workers, **kept(keep, tmp_path)) as dataset:
        order = [file.sample.name for file in dataset.files]
        expected = sorted(EVERYTHING, key=lambda key: (order.index(key[0]), key[1]))
        blocks = list(dataset.in_order())
        assert [key for block in blocks for key in named(dataset, block)] == expected
        for block in blocks:
            check(dataset, block)
        tests = [key for block in dataset.in_order(2) for key in named(dataset, block)]
        assert tests == [key for key in expected if part(SAMPLES[key[0]][key[1]]) == 2]


@pytest.mark.parametrize("keep", KEEP)
@pytest.mark.parametrize("events", [5, 77])
def test_limited_events_are_the_first_of_each_file(
    paths: dict[str, Path], tmp_path: Path, events: int, keep: str
) -> None:
    with dataset_of(paths, events=events, **kept(keep, tmp_path)) as dataset:
        keys = [key for block in dataset.in_order() for key in named(dataset, block)]
        assert len(keys) == events
        for name, sample in SAMPLES.items():
            mine = [entry for file, entry in keys if file == name]
            assert mine == list(range(len(mine)))
            assert abs(len(mine) - events * len(sample) / len(EVERYTHING)) < 1
        chunks = [key for index in range(3) for block in dataset.chunks(index) for key in named(dataset, block)]
        assert sorted(chunks) == sorted(keys)


def reads_of(dataset: Dataset) -> int:
    """How many ranges are read from files in two passes over everything."""
    reads = []
    with pytest.MonkeyPatch.context() as patch:
        apply = Pipeline.apply

        def counting(*args: Any) -> Any:
            reads.append(1)
            return apply(*args)

        patch.setattr(Pipeline, "apply", counting)
        for _ in range(2):
            for index in range(len(PARTS)):
                list(dataset.chunks(index))
    return len(reads)


def test_ranges_are_read_once_if_they_fit(paths: dict[str, Path], tmp_path: Path) -> None:
    with dataset_of(paths) as dataset:
        ranges = len(dataset.scan.ranges)
        size = dataset.bytes_of(dataset.scan.used)
        assert size == len(EVERYTHING) * (4 * 6 + 24)
        assert reads_of(dataset) == ranges
    with dataset_of(paths, memory=2 * size) as dataset:
        assert reads_of(dataset) == ranges
    with dataset_of(paths, memory=2 * size - 2) as dataset:
        assert reads_of(dataset) > 2 * ranges
    with dataset_of(paths, memory=2 * size - 2, cache=tmp_path) as dataset:
        assert reads_of(dataset) == ranges
    with dataset_of(paths, memory=2 * size - 2, cache=tmp_path) as dataset:
        assert reads_of(dataset) == 0


@pytest.mark.parametrize("chunk_size", [7, 40])
def test_the_order_is_the_same_wherever_events_are_kept_and_whoever_reads(
    paths: dict[str, Path], tmp_path: Path, chunk_size: int
) -> None:
    def epochs(**wishes: Any) -> list[tuple[bytes, list[tuple[str, int]]]]:
        with dataset_of(paths, chunk_size=chunk_size, **wishes) as dataset:
            return [
                (chunk.x.tobytes(), named(dataset, chunk))
                for epoch in range(2)
                for chunk in dataset.chunks(0, Order(1, epoch, shuffle=True))
            ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Budget, "window", lambda *_: 50)  # so that there are several
        expected = epochs()
        for workers in (1, 4):
            for keep in KEEP:
                assert epochs(workers=workers, **kept(keep, tmp_path)) == expected
            assert epochs(workers=workers, **kept("disk", tmp_path)) == expected  # now from the disk


def test_a_chunk_is_as_large_as_the_budget_allows(paths: dict[str, Path]) -> None:
    with dataset_of(paths, memory=8 * 10 * (4 * 6 + 64)) as dataset:
        assert dataset.chunk_size == 10
        assert max(map(len, dataset.chunks(0))) <= 10 + len(SAMPLES)


def test_load_is_all_of_a_part_in_order(paths: dict[str, Path]) -> None:
    for keeps in (True, False):
        with dataset_of(paths, keeps=keeps, workers=2) as dataset:
            for index in range(len(PARTS)):
                loaded = dataset.load(index)
                check(dataset, loaded)
                expected = [key for block in dataset.in_order(index) for key in named(dataset, block)]
                assert named(dataset, loaded) == expected
                assert loaded.y.tolist() == [list(SAMPLES).index(name) for name, _ in expected]


def test_a_consumer_that_stops_early_ends_the_reading(paths: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    read: list[int] = []
    with dataset_of(paths, chunk_size=10, keeps=False, workers=3) as dataset:
        get = dataset._get

        def noted(number: int, part: int | None) -> Rows:
            read.append(number)
            return get(number, part)

        monkeypatch.setattr(dataset, "_get", noted)
        chunks = dataset.chunks(0, Order(1, 0, shuffle=True))
        next(chunks)
        chunks.close()
        begun = len(read)
        for threads in (dataset._readers, dataset._makers):
            wait([threads.submit(int) for _ in range(10)])
            assert threads._work_queue.empty()
        assert len(read) == begun
    assert threading.active_count() == before


def test_passes_at_the_same_time_and_one_after_another_share_their_threads(paths: dict[str, Path]) -> None:
    before = threading.active_count()
    for keeps in (True, False):
        with dataset_of(paths, chunk_size=10, keeps=keeps, workers=2) as dataset:
            wanted = [(part, Order(1, epoch, shuffle=True)) for epoch in range(3) for part in (0, 1)]
            alone = [[named(dataset, chunk) for chunk in dataset.chunks(*which)] for which in wanted]
            rounds = list(zip_longest(*(dataset.chunks(*which) for which in wanted)))
            assert threading.active_count() - before <= 4
            for number, expected in enumerate(alone):
                assert [named(dataset, row[number]) for row in rounds if row[number] is not None] == expected
        assert threading.active_count() == before


def test_a_file_that_changes_between_the_passes_is_an_error(tmp_path: Path) -> None:
    path = write_ttree(tmp_path / "signal.root", SAMPLES["signal"])
    with dataset_of({"signal": path}, keeps=False) as dataset:
        path.unlink()
        other = write_ttree(path, make_events(113, seed=9, signal=True, run=5))
        files = open_files(workflow_of({"signal": (other, "signal")}).samples, "Events", Reading())
        dataset.files = files
        with pytest.raises(FileReadError, match="changed while the file was in use"):
            list(dataset.chunks(0))
        close_files(files)


def test_many_files_share_the_lane_of_their_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlaas4hep.streaming.dataset.dataset.MOST_LANES", 3)
    events = [make_events(6, seed=seed, signal=False) for seed in range(8)]
    for i, mine in enumerate(events):
        write_ttree(tmp_path / f"{i}.root", mine)
    samples = tuple(
        Sample(name=name, files=tuple(str(tmp_path / f"{i}.root") for i in numbers), label=name)
        for name, numbers in (("signal", (0, 1)), ("background", range(2, 8)))
    )
    files = open_files(samples, "Events", Reading())
    pipeline = Pipeline(
        Preprocessing(), ("met", "Jet_pt", "cells"), ("run", "event"), None, None, "keep", Split(validation=0, test=0)
    )
    found = scan(files, pipeline, monitor=Collector())
    dataset = Dataset(files, pipeline, found, LAYOUT, codes, chunk_size=8, budget=Budget(2**30))
    chunks = list(dataset.chunks(0, Order(0, 0, shuffle=True)))
    assert sorted((int(f), int(e)) for c in chunks for f, e in zip(c.file, c.entry, strict=True)) == [
        (file, entry) for file in range(8) for entry in range(6)
    ]
    for chunk in chunks:
        assert abs(int(np.sum(chunk.y == 0)) - len(chunk) / 4) < 2
    dataset.close()
    close_files(files)


def test_a_part_without_events(paths: dict[str, Path]) -> None:
    with dataset_of({"small": paths["small"]}) as dataset:
        for index in range(3):
            blocks = list(dataset.chunks(index))
            assert sum(map(len, blocks)) == dataset.size(index)
            assert list(dataset.in_order(index)) or not dataset.size(index)


def test_targets_from_a_label_branch(paths: dict[str, Path]) -> None:
    with dataset_of(paths, label_branch="target", label=lambda labels: labels * 2) as dataset:
        for block in dataset.in_order():
            targets = [2 * np.float32(SAMPLES[name][entry]["target"]) for name, entry in named(dataset, block)]
            np.testing.assert_array_equal(block.y, targets)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 60))
def test_taking_any_numbers_of_events(paths: dict[str, Path], lengths: list[int], seed: int) -> None:
    """`Block.take` and `Block.join` keep every column together."""
    with dataset_of({"signal": paths["signal"]}) as dataset:
        whole = Block.join(list(dataset.in_order()))
    rng = np.random.default_rng(seed)
    which = rng.integers(0, len(whole), sum(lengths))
    parts = [whole.take(part) for part in np.split(which, np.cumsum(lengths)[:-1])]
    joined = Block.join(parts)
    assert len(joined) == len(which)
    np.testing.assert_array_equal(joined.entry, whole.entry[which])
    np.testing.assert_array_equal(joined.raw, whole.raw[which])


def test_files_keep_the_index_of_the_user(paths: dict[str, Path]) -> None:
    def content(names: list[str]) -> dict[str, list[int]]:
        with dataset_of({name: paths[name] for name in names}) as dataset:
            index = {file.sample.name: file.index for file in dataset.files}
            assert index == {name: i for i, name in enumerate(names)}
            return {
                name: [int(e) for b in dataset.in_order() for f, e in zip(b.file, b.entry, strict=True) if f == i]
                for name, i in index.items()
            }

    names = list(SAMPLES)
    assert content(names) == content(names[::-1])


def test_canonical_files(paths: dict[str, Path]) -> None:
    def files_of(names: list[str]) -> tuple[str, ...]:
        with dataset_of({name: paths[name] for name in names}) as dataset:
            files: tuple[DataFile, ...] = dataset.files
            return tuple(file.sample.name for file in files)

    assert files_of(list(SAMPLES)) == files_of(list(SAMPLES)[::-1])


@pytest.mark.parametrize("keep", KEEP)
@pytest.mark.parametrize("events", [1, 30, 10_000])
def test_head_has_the_first_events_of_every_file(
    paths: dict[str, Path], tmp_path: Path, events: int, keep: str
) -> None:
    with dataset_of(paths, **kept(keep, tmp_path)) as dataset:
        found = dataset.head(TRAIN, events)
        check(dataset, found)
        mine = named(dataset, found)
        total = dataset.size(TRAIN)
        for name, all_events in SAMPLES.items():
            training = [(name, entry) for entry, event in enumerate(all_events) if part(event) == TRAIN]
            size = min(-(-events * len(training) // total), len(training))
            assert [one for one in mine if one[0] == name] == training[:size]
