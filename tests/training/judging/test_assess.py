"""Scores of all events after the training, and the rows that are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.features.split import PARTS
from mlaas4hep.streaming import ranges as scanning
from mlaas4hep.streaming.dataset.dataset import Block, Dataset
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.judging import assess as module
from mlaas4hep.training.judging.assess import assess
from tests.support.budgets import ROOMY
from tests.support.workflows import opened, prepare
from tests.support.written import make_events, workflow_of, write_ttree


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("assess")
    return {
        name: (write_ttree(folder / f"{name}.root", make_events(150, seed=seed, signal=seed == 1)), name)
        for seed, name in enumerate(("background", "signal"))
    }


def dataset_of(paths: dict[str, tuple[Path, str]], **split: float) -> Iterator[tuple[Dataset, tuple[str, ...]]]:
    workflow = workflow_of(paths, weights={"branch": "w"}, split=split, training={"model": "model.py"})
    with opened(workflow) as files, pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "target_events", lambda _files: 40)
        prepared = prepare(workflow, files, Collector())
        layout = prepared.columns(workflow).layout
        first, labels = prepared.first, prepared.labelled.labels
        dataset = Dataset(files, first.pipeline, first.scan, layout, labels.target, chunk_size=50, budget=ROOMY)
        yield dataset, labels.names


@pytest.fixture
def dataset(paths: dict[str, tuple[Path, str]]) -> Iterator[tuple[Dataset, tuple[str, ...]]]:
    yield from dataset_of(paths, validation=0.2, test=0.3)


def model(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(x.sum(axis=1, keepdims=True), dtype=np.float32)


def test_every_event_is_scored_once(dataset: tuple[Dataset, tuple[str, ...]]) -> None:
    data, _ = dataset
    found = assess(data, model, None, Collector(), task="binary", classes=2)
    assert set(found.parts) == set(PARTS)
    for index, name in enumerate(PARTS):
        whole = Block.join(list(data.in_order(index)))
        part = found.parts[name].rows
        np.testing.assert_array_equal(part.y, whole.y)
        np.testing.assert_array_equal(part.weight, whole.weight)
        np.testing.assert_array_equal(part.scores, model(data.layout.transform(whole.raw)))


def test_rows_are_those_of_the_test_part(dataset: tuple[Dataset, tuple[str, ...]]) -> None:
    data, _ = dataset
    found = assess(data, model, None, Collector(), task="binary", classes=2)
    assert found.rows_part == "test"
    whole = Block.join(list(data.in_order(2)))
    np.testing.assert_array_equal(found.rows.raw, whole.raw)
    np.testing.assert_array_equal(found.importance_rows().raw, whole.raw)


@pytest.mark.parametrize("room", [1, 7, 50])
def test_many_rows_are_thinned_evenly(
    dataset: tuple[Dataset, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    data, _ = dataset
    monkeypatch.setattr(module, "ROWS_IN_MEMORY", room)
    monkeypatch.setattr(module, "ROWS_FOR_IMPORTANCE", 5)
    found = assess(data, model, None, Collector(), task="binary", classes=2)
    whole = Block.join(list(data.in_order(2)))
    step = -(-len(whole) // room)
    np.testing.assert_array_equal(found.rows.entry, whole.entry[::step])
    np.testing.assert_array_equal(found.rows.file, whole.file[::step])
    assert len(found.rows) <= room
    assert 0 < len(found.importance_rows()) <= 5
    assert sum(map(len, found.parts.values())) == data.scan.used


@pytest.mark.parametrize(
    ("split", "kept", "parts"),
    [
        ({"validation": 0.3, "test": 0.0}, "validation", {"train", "validation"}),
        ({"validation": 0.0, "test": 0.0}, "train", {"train"}),
        ({"validation": 0.0, "test": 0.3}, "test", {"train", "test"}),
    ],
)
def test_parts_without_events(
    paths: dict[str, tuple[Path, str]], split: dict[str, float], kept: str, parts: set[str]
) -> None:
    for data, _ in dataset_of(paths, **split):
        found = assess(data, model, None, Collector(), task="binary", classes=2)
        assert set(found.parts) == parts
        assert found.rows_part == kept
        assert len(found.rows) == data.size(PARTS.index(kept))
