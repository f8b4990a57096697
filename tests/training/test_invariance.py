"""Features, split and cutflow do not depend on chunk size, order of files, number of workers or what is in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.features.split import PARTS
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Block, Chunk, Order
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.fitting.dataset import open_dataset
from tests.support.workflows import opened, prepare

FILES = ("ggH_tautau", "Z_tautau", "W_lnu", "ttbar")


def workflow(pythia: Path, *, names: tuple[str, ...] = FILES, **changes: Any) -> Workflow:
    samples = [
        {"name": name, "files": str(pythia / f"{name}.root"), "label": "signal" if "ggH" in name else "background"}
        for name in names
    ]
    settings = {
        "samples": samples,
        "weights": {"branch": "weight"},
        "variables": {"mT": "sqrt(2*Lepton_pt[0]*MET_pt*(1-cos(Lepton_phi[0]-MET_phi)))"},
        "selection": ["MET_pt > 10", "any(Jet_pt > 25)"],
        "features": {"exclude": ["genWeight"], "normalisation": "robust", "mask": True},
        "training": {"model": "model.py"},
    }
    return Workflow.model_validate({**settings, **changes})


def joined(chunks: list[Chunk]) -> Chunk:
    return Chunk(
        *(np.concatenate([getattr(c, name) for c in chunks]) for name in ("x", "y", "weight", "file", "entry"))
    )


def taken(chunk: Chunk, which: Any) -> Chunk:
    return Chunk(chunk.x[which], chunk.y[which], chunk.weight[which], chunk.file[which], chunk.entry[which])


def sorted_by_event(events: Chunk | Block, names: dict[int, str]) -> Any:
    return np.lexsort((events.entry, np.array([names[int(index)] for index in events.file])))


def everything(configuration: Workflow, *, keep: bool = True, shuffle: bool = False) -> dict[str, Any]:
    """All that may not change, by (sample, entry)."""
    with opened(configuration) as files:
        prepared = prepare(configuration, files, Collector())
        layout = prepared.columns(configuration).layout
        with pytest.MonkeyPatch.context() as patch:
            if not keep:
                patch.setattr(Budget, "keep", -1)
            dataset = open_dataset(prepared.first, prepared.labelled.labels, layout, configuration.reading, Collector())
        chunks = [list(dataset.chunks(part, Order(1, 0, shuffle))) for part in range(len(PARTS))]
        names = {file.index: file.sample.name for file in files}
        whole = joined([chunk for part in chunks for chunk in part])
        ordered = taken(whole, sorted_by_event(whole, names))
        blocks = Block.join(list(dataset.in_order()))
        raw = blocks.take(sorted_by_event(blocks, names))
        dataset.close()
        cutflow = {
            file.sample.name: found.cutflow.to_json()
            for file, found in zip(files, prepared.first.scan.files, strict=True)
            if found.cutflow
        }
        return {
            "layout": layout,
            "raw": raw.raw.tobytes(),
            "x": ordered.x.tobytes(),
            "y": ordered.y.tobytes(),
            "weight": ordered.weight.tobytes(),
            "part": raw.part.tobytes(),
            "entry": ordered.entry.tobytes(),
            "cutflow": {name: cutflow[name] for name in sorted(cutflow)},
            "sums": prepared.labelled.totals.weights.tobytes(),
            "factors": prepared.labelled.weights.factors.tobytes(),
            "specs": prepared.first.scan.specs.to_json(),
            "chunks": chunks,
            "names": names,
        }


SAME = ("layout", "raw", "x", "y", "weight", "part", "entry", "cutflow", "sums", "factors", "specs")


@pytest.fixture(scope="module")
def reference(pythia: Path) -> dict[str, Any]:
    return everything(workflow(pythia, reading={"chunk_size": 1000}))


@pytest.mark.parametrize("chunk_size", [100, 1000, -1])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("names", [FILES, FILES[::-1]], ids=["order", "reversed"])
def test_same_bits(
    reference: dict[str, Any], pythia: Path, chunk_size: int, workers: int, names: tuple[str, ...]
) -> None:
    reading = {"chunk_size": chunk_size, "workers": workers}
    found = everything(workflow(pythia, names=names, reading=reading), shuffle=chunk_size == 100)
    for key in SAME:
        assert found[key] == reference[key], key


def test_same_bits_when_nothing_is_kept_in_memory(reference: dict[str, Any], pythia: Path) -> None:
    found = everything(workflow(pythia, reading={"chunk_size": 5000}), keep=False)
    for key in SAME:
        assert found[key] == reference[key], key


@pytest.mark.parametrize("keep", [True, False])
def test_same_bits_with_a_cache(reference: dict[str, Any], pythia: Path, tmp_path: Path, *, keep: bool) -> None:
    for chunk_size in (5000, 1000):  # first written, then read
        settings = workflow(pythia, reading={"chunk_size": chunk_size, "cache": str(tmp_path)})
        found = everything(settings, keep=keep, shuffle=True)
        for key in SAME:
            assert found[key] == reference[key], key
    assert len(list(tmp_path.glob("*.blocks"))) == 1


def test_shuffled_order_is_the_same_from_memory_and_from_files(pythia: Path) -> None:
    settings = workflow(pythia, reading={"chunk_size": 3000})
    kept = everything(settings, keep=True, shuffle=True)
    read = everything(settings, keep=False, shuffle=True)
    for part in range(len(PARTS)):
        for a, b in zip(kept["chunks"][part], read["chunks"][part], strict=True):
            np.testing.assert_array_equal(a.entry, b.entry)
            np.testing.assert_array_equal(a.file, b.file)


def test_every_chunk_holds_every_file_in_proportion(reference: dict[str, Any]) -> None:
    for part in reference["chunks"]:
        whole = joined(part)
        for index in reference["names"]:
            share = np.mean(whole.file == index)
            for chunk in part:
                assert abs(np.sum(chunk.file == index) - share * len(chunk)) <= 1.0 + share
        assert all(len(chunk) <= 1000 + len(FILES) for chunk in part)


@pytest.mark.parametrize("events", [1000, 7777])
def test_limited_events_are_shared_in_proportion(reference: dict[str, Any], pythia: Path, events: int) -> None:
    settings = workflow(pythia, events=events)
    found = everything(settings)
    again = everything(workflow(pythia, events=events, names=FILES[::-1], reading={"workers": 2, "chunk_size": -1}))
    for key in SAME:
        assert found[key] == again[key], key
    whole = joined([chunk for part in found["chunks"] for chunk in part])
    everybody = joined([chunk for part in reference["chunks"] for chunk in part])
    assert len(whole) == events
    assert found["cutflow"] == reference["cutflow"]
    for index in found["names"]:
        expected = events * np.mean(everybody.file == index)
        mine = taken(whole, whole.file == index)
        assert abs(len(mine) - expected) < 1.0
        first = np.sort(everybody.entry[everybody.file == index])[: len(mine)]
        np.testing.assert_array_equal(np.sort(mine.entry), first)


def test_full_sums_count_events_that_are_not_used(pythia: Path) -> None:
    sums = []
    for events in (-1, 500):
        settings = workflow(pythia, events=events)
        with opened(settings) as files:
            sums.append(prepare(settings, files, Collector()).labelled.full_sums)
    assert sums[0] == sums[1]
