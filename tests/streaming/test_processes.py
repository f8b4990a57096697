"""The functions of tasks, their tasks and their results can be pickled: another process gets the same."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.config.sections.data import Reading, Sample
from mlaas4hep.config.sections.events import Split
from mlaas4hep.errors import ExpressionError, FileReadError
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.features.split import TRAIN
from mlaas4hep.streaming import ranges
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.dataset.dataset import Dataset, Order
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile, close_files, open_files
from mlaas4hep.streaming.measure.raw_reading import read_raw
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.scan.branches import choose_branches
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.streaming.scan.scan import scan
from mlaas4hep.streaming.scan.state import scan_to_state
from mlaas4hep.training.events.labels import Labelling
from tests.support.reference import CUTS, VARIABLES
from tests.support.written import make_events, workflow_of, write_csv, write_rntuple, write_ttree

SAMPLES = {
    "signal": make_events(130, seed=1, signal=True),
    "background": make_events(170, seed=2, signal=False),
}
NAMES = ("met", "charge", "w")
LAYOUT = Layout(
    (
        FeatureBranch("met", "flat", 1, 0.0, 1.0, -np.inf, -1.0),
        FeatureBranch("charge", "flat", 1, 0.0, 1.0, -np.inf, -1.0),
    )
)
WRITERS: dict[str, Callable[..., Path]] = {"root": write_ttree, "rntuple.root": write_rntuple, "csv": write_csv}


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    """Two processes that share nothing with this one."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield Executor(2, pool)


@pytest.fixture(autouse=True)
def several_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "target_events", lambda _files: 50)


@contextmanager
def opened(folder: Path, suffix: str = "root") -> Iterator[tuple[DataFile, ...]]:
    samples = []
    for name, events in SAMPLES.items():
        path = WRITERS[suffix](folder / f"{name}.{suffix}", events, names=NAMES if suffix == "csv" else None)
        samples.append(Sample(name=name, files=(str(path),), label=name))
    files = open_files(samples, "Events", Reading())
    try:
        yield files
    finally:
        close_files(files)


def plain_pipeline() -> Pipeline:
    return Pipeline(
        Preprocessing(),
        features=("met", "charge"),
        identifier=(),
        label_branch=None,
        weight_branch="w",
        negative="keep",
        split=Split(validation=0.25, test=0.25),
    )


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("events", [-1, 90])
def test_specs_and_chunks(processes: Executor, tmp_path: Path, suffix: str, events: int) -> None:
    pipeline, labels = plain_pipeline(), Labelling("binary", tuple(SAMPLES), text=True)
    with opened(tmp_path, suffix) as files:
        found = [
            scan(files, pipeline, events=events, executor=executor, monitor=Collector())
            for executor in (Executor(), processes)
        ]
        assert scan_to_state(found[0]) == scan_to_state(found[1])
        chunks = []
        for executor in (Executor(), processes):
            budget = Budget(2**30)
            dataset = Dataset(
                files, pipeline, found[0], LAYOUT, labels.target, chunk_size=40, executor=executor, budget=budget
            )
            chunks.append(list(dataset.chunks(TRAIN, Order(seed=3, epoch=0, shuffle=True))))
            dataset.close()
    assert len(chunks[0]) > 1
    for one, other in zip(*chunks, strict=True):
        for name in ("x", "y", "weight", "file", "entry"):
            assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)


def test_variables_and_cuts(processes: Executor, tmp_path: Path) -> None:
    with opened(tmp_path) as files:
        paths = {file.sample.name: (Path(file.path), file.sample.name) for file in files}
        choice = choose_branches(files, workflow_of(paths, variables=VARIABLES, selection=list(CUTS)).event_settings)
        pipeline = replace(plain_pipeline(), preprocessing=choice.preprocessing, features=choice.features)
        states = [
            scan_to_state(scan(files, pipeline, events=60, executor=executor, monitor=Collector()))
            for executor in (Executor(), processes)
        ]
    assert states[0] == states[1]


def test_raw_reading(processes: Executor, tmp_path: Path) -> None:
    with opened(tmp_path) as files:
        steps = [read_raw(files, NAMES, executor, -1, 60.0, Collector())[0] for executor in (Executor(), processes)]
    assert steps[0].events == steps[1].events == sum(map(len, SAMPLES.values()))
    assert steps[0].branch_bytes == steps[1].branch_bytes


def test_errors_come_back_as_they_are(processes: Executor, tmp_path: Path) -> None:
    """Lists of different lengths are combined in an event of the second range."""
    events: list[dict[str, Any]] = [{**event, "Jet_eta": [0.0] * len(event["Jet_pt"])} for event in SAMPLES["signal"]]
    events[70] = {**events[70], "Jet_pt": [1.0, 2.0], "Jet_eta": [1.0]}
    path = write_ttree(tmp_path / "uneven.root", events)
    workflow = workflow_of({"uneven": (path, "a")}, variables={"both": "Jet_pt + Jet_eta"})
    files = open_files(workflow.samples, "Events", workflow.reading)
    choice = choose_branches(files, workflow.event_settings)
    pipeline = replace(plain_pipeline(), preprocessing=choice.preprocessing, features=("both",))
    for executor in (Executor(), processes):
        with pytest.raises(ExpressionError, match="70") as caught:
            scan(files, pipeline, executor=executor, monitor=Collector())
        assert caught.value.where == str(path)
    close_files(files)


def test_a_file_that_was_written_again_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as files:
        pickled = pickle.dumps(files[0])
        write_ttree(Path(files[0].path), make_events(20, seed=9, signal=True))
        with pytest.raises(FileReadError, match="changed") as caught:
            pickle.loads(pickled)
    assert caught.value.where == files[0].path
