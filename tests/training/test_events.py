"""The events a backend trains on: all of them once, in batches and chunks, streamed as in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors import MemoryLimitError
from mlaas4hep.features.split import TRAIN, VALIDATION
from mlaas4hep.streaming import ranges as module
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Block, Dataset
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.events.base import Arrays, Events
from mlaas4hep.training.events.memory import size_text
from mlaas4hep.training.events.part import PartEvents
from tests.support.budgets import ROOMY, Forgetful
from tests.support.workflows import opened, prepare
from tests.support.written import make_events, workflow_of, write_ttree

SIZES = {"signal": 130, "background": 210}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("events")
    return {
        name: (write_ttree(folder / f"{name}.root", make_events(size, seed=i, signal=name == "signal")), name)
        for i, (name, size) in enumerate(SIZES.items())
    }


@contextmanager
def part_events(
    paths: dict[str, tuple[Path, str]],
    *,
    part: int = TRAIN,
    shuffle: bool = True,
    seed: int = 0,
    chunk_size: int = 50,
    memory_limit: int = 2**30,
    target: int = 30,
    workers: int = 1,
    budget: Budget = ROOMY,
    **settings: Any,
) -> Iterator[tuple[PartEvents, Dataset]]:
    """The events of a part of small files that have several ranges."""
    defaults: dict[str, Any] = {"weights": {"branch": "w"}, "features": {"missing": [-999], "mask": True}}
    workflow = workflow_of(paths, training={"model": "model.py"}, **{**defaults, **settings})
    with opened(workflow) as files, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "target_events", lambda _files: target)
        prepared = prepare(workflow, files, Collector())
        layout = prepared.columns(workflow).layout
        dataset = Dataset(
            files,
            prepared.first.pipeline,
            prepared.first.scan,
            layout,
            prepared.labelled.labels.target,
            chunk_size=chunk_size,
            executor=Executor(workers),
            budget=budget,
        )
        events: Events = PartEvents(
            dataset, part, prepared.labelled.weights, shuffle=shuffle, seed=seed, memory_limit=memory_limit
        )
        assert isinstance(events, PartEvents)
        yield events, dataset


def joined(parts: list[Arrays]) -> Arrays:
    return Arrays(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "weight")))


def rows(arrays: Arrays) -> list[bytes]:
    """Every event as bytes, to compare as a set."""
    return [x.tobytes() + y.tobytes() + w.tobytes() for x, y, w in zip(arrays.x, arrays.y, arrays.weight, strict=True)]


def same(one: Arrays, other: Arrays) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("x", "y", "weight"))


@pytest.mark.parametrize("part", [TRAIN, VALIDATION])
def test_arrays_are_transformed_and_weighted(paths: dict[str, tuple[Path, str]], part: int) -> None:
    with part_events(paths, part=part, workers=2) as (events, dataset):
        found = events.load()
        whole = Block.join(list(dataset.in_order(part)))
        assert events.size == len(found) == len(whole)
        assert found.x.shape == (events.size, events.width)
        assert (found.x.dtype, found.y.dtype, found.weight.dtype) == ("f4", "i8", "f4")
        np.testing.assert_array_equal(found.x, dataset.layout.transform(whole.raw))
        np.testing.assert_array_equal(found.y, whole.y)
        assert np.isfinite(found.x).all()
        assert events.weighted
        ratio = found.weight / whole.weight
        for label in (0, 1):
            np.testing.assert_allclose(ratio[whole.y == label], ratio[whole.y == label][0], rtol=1e-6)
        if part == TRAIN:
            assert found.weight[found.y == 0].sum() == pytest.approx(found.weight[found.y == 1].sum(), rel=1e-5)
            assert found.weight.mean() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("chunk_size", [17, 1000, -1])
@pytest.mark.parametrize("batch_size", [1, 16, 33, 100_000])
def test_batches_hold_every_event_once(
    paths: dict[str, tuple[Path, str]], chunk_size: int, batch_size: int, *, shuffle: bool
) -> None:
    with part_events(paths, chunk_size=chunk_size, shuffle=shuffle) as (events, _):
        batches = list(events.batches(batch_size, epoch=3))
        assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
        assert 0 < len(batches[-1]) <= batch_size
        assert sorted(rows(joined(batches))) == sorted(rows(events.load()))
        assert same(joined(batches), joined(list(events.chunks(3))))


def test_streamed_and_in_memory_are_the_same_events(paths: dict[str, tuple[Path, str]]) -> None:
    with part_events(paths, chunk_size=40, shuffle=True, budget=Forgetful(2**40)) as (events, _):
        assert sorted(rows(joined(list(events.chunks())))) == sorted(rows(events.load()))
    with part_events(paths, chunk_size=-1, shuffle=False) as (events, _):
        assert same(joined(list(events.chunks())), events.load())


def test_epochs_are_shuffled_differently_and_repeatably(paths: dict[str, tuple[Path, str]]) -> None:
    with part_events(paths) as (events, _):
        first = joined(list(events.chunks(0)))
        assert same(first, joined(list(events.chunks(0))))
        assert not same(first, joined(list(events.chunks(1))))
    with part_events(paths) as (again, _):
        assert same(first, joined(list(again.chunks(0))))
    with part_events(paths, seed=5) as (other, _):
        assert not same(first, joined(list(other.chunks(0))))
    with part_events(paths, shuffle=False) as (plain, _):
        assert same(joined(list(plain.chunks(0))), joined(list(plain.chunks(1))))


def test_every_chunk_holds_both_classes(paths: dict[str, tuple[Path, str]]) -> None:
    with part_events(paths, chunk_size=20) as (events, _):
        share = np.mean(events.load().y)
        for chunk in events.chunks():
            assert abs(np.sum(chunk.y) - share * len(chunk)) < 2


def test_without_weights_every_weight_is_one(paths: dict[str, tuple[Path, str]]) -> None:
    with part_events(paths, weights={}) as (events, _):
        assert not events.weighted
        assert np.all(events.load().weight == 1.0)
    with part_events(paths, weights={"balance": True}) as (events, _):
        assert events.weighted


def test_memory_limit(paths: dict[str, tuple[Path, str]]) -> None:
    with part_events(paths) as (events, _):
        need = events.size * (2 * 4 * events.width + 64)
        assert events.load() is events.load()
    with part_events(paths, memory_limit=need) as (events, _):
        assert events.fits()
        assert len(events.load()) == events.size
    with part_events(paths, memory_limit=need - 1) as (events, _):
        assert not events.fits()
        with pytest.raises(MemoryLimitError) as caught:
            events.load()
        size = f"{need / 2**10:.1f} KiB"
        assert str(caught.value) == (
            f"the {events.size} events for train need {size} in memory, the limit is {size}; raise memory_limit, use "
            "fewer events (nevts), or a model that streams (a neural network, XGBoost, or one with partial_fit)"
        )
        assert sum(map(len, events.batches(32))) == events.size


def test_no_validation(paths: dict[str, tuple[Path, str]]) -> None:
    split = {"validation": 0.0}
    with part_events(paths, part=VALIDATION, split=split) as (events, _):
        assert events.size == 0
        assert list(events.chunks()) == []
        assert list(events.batches(10)) == []
        nothing = events.load()
        assert nothing.x.shape == (0, events.width)
        assert (nothing.x.dtype, nothing.y.dtype, nothing.weight.dtype) == ("f4", "i8", "f4")


@pytest.mark.parametrize(
    ("size", "text"), [(512, "512 bytes"), (2048, "2.0 KiB"), (10 * 2**20, "10.0 MiB"), (5 * 2**29, "2.5 GiB")]
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
