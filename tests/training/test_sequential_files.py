"""Text, Avro and large row groups of Parquet, which are read from the beginning on, are read once for all epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.streaming import ranges as scanning
from mlaas4hep.streaming.dataset.dataset import Chunk, Order
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.readers import files as bytes_of_files
from mlaas4hep.streaming.readers.tables import avro, csv, json
from mlaas4hep.training.fitting.dataset import open_dataset
from tests.support.every_format import WRITERS
from tests.support.workflows import opened, prepare

SIZE = 2000
PLACES: dict[str, dict[str, Any]] = {
    "memory": {"memory_limit": "1 GB"},
    "temporary": {"memory_limit": 60_000},
    "cache": {"memory_limit": 60_000, "cache": "cache"},
}


@pytest.fixture(scope="module")
def events() -> dict[str, Any]:
    rng = np.random.default_rng(8)
    label = np.arange(SIZE) // (SIZE // 2)  # sorted, as tables often are
    return {"event": np.arange(SIZE), "label": label, "x": rng.normal(label), "y": rng.normal(size=SIZE)}


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each time that a file is read from its beginning."""
    found: list[str] = []

    def counted(path: str) -> Any:
        found.append(path)
        return bytes_of_files.open_bytes(path)

    for module in (csv, json, avro):
        monkeypatch.setattr(module, "open_bytes", counted)
    monkeypatch.setattr(scanning, "target_events", lambda _files: 100)
    return found


@pytest.mark.parametrize("ending", ["csv.xz", "jsonl", "avro"])
@pytest.mark.parametrize("place", PLACES)
def test_no_epoch_reads_the_file_again(
    tmp_path: Path, events: dict[str, Any], opens: list[str], ending: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    path = tmp_path / f"a.{ending}"
    WRITERS[ending](path, events)
    reading = {**PLACES[place], "workers": 1, "chunk_size": 50}
    if "cache" in reading:
        reading["cache"] = str(tmp_path / "cache")
    workflow = Workflow.model_validate(
        {
            "samples": [{"name": "all", "files": str(path)}],
            "label_branch": "label",
            "identifier": "event",
            "features": {"normalisation": "none"},
            "training": {"model": "model.py"},
            "reading": reading,
        }
    )
    monitor = Collector()
    with opened(workflow) as files:
        prepared = prepare(workflow, files, monitor)
        layout = prepared.columns(workflow).layout
        dataset = open_dataset(prepared.first, prepared.labelled.labels, layout, workflow.reading, monitor)
        before = len(opens)
        chunks = [chunk for epoch in range(3) for chunk in dataset.chunks(0, Order(1, epoch, shuffle=True))]
        assert len(opens) == before
        assert bool(list(temporary.iterdir())) == (place == "temporary")
        dataset.close()
    assert not list(temporary.iterdir())
    assert any("are kept in" in note for note in monitor.notes) == (place == "temporary")
    for epoch in np.split(np.concatenate([chunk.entry for chunk in chunks]), 3):
        assert len(np.unique(epoch)) == len(epoch)
    check(chunks, events)


def check(chunks: list[Chunk], events: dict[str, Any]) -> None:
    """The right events, and both classes in most of the chunks although the file is sorted by class."""
    both = 0
    for chunk in chunks:
        np.testing.assert_array_equal(chunk.x, np.stack([events[n][chunk.entry] for n in "xy"], 1).astype(np.float32))
        np.testing.assert_array_equal(chunk.y, events["label"][chunk.entry])
        both += len(np.unique(chunk.y)) == 2
    assert both > len(chunks) / 2
