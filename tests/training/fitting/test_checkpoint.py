"""The folder of checkpoints: when it stays, when it goes, and to which training it belongs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.config.dump import decisive
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError, OutputError
from mlaas4hep.features.statistics.specs import Specs
from mlaas4hep.streaming.files import DataFile, close_files, open_files
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.scan.result import FileScan, RangeCount, Scan
from mlaas4hep.training.fitting.checkpoint import checkpoint_folder, checkpointing, training_key
from tests.support.written import make_events, model_file, workflow_of, write_ttree


def found(met: float) -> Scan:
    """What a first pass found in a file with one event."""
    specs = Specs.of({"met": np.array([met])}, 1)
    return Scan([FileScan(ranges=[RangeCount(0, 1, 1, (1, 0, 0))])], specs, {}, {})


FOUND = found(1.0)


def key_of(workflow: Workflow, files: tuple[DataFile, ...], scan: Scan = FOUND) -> dict[str, str]:
    assert workflow.training is not None
    return training_key(decisive(workflow), workflow.training.model, workflow.specs, files, scan)


class Stopped(Exception):
    """What ends a training in these tests."""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("checkpoint")
    return {
        name: (write_ttree(folder / f"{name}.root", make_events(5, seed=i, signal=False), names=["met"]), name)
        for i, name in enumerate(("a", "b"))
    }


@pytest.fixture
def workflow(paths: dict[str, tuple[Path, str]], tmp_path: Path) -> Workflow:
    return workflow_of(paths, training={"model": model_file(tmp_path, "None", "")})


@pytest.fixture(scope="module")
def files(paths: dict[str, tuple[Path, str]]) -> Iterator[tuple[DataFile, ...]]:
    workflow = workflow_of(paths)
    opened = open_files(workflow.samples, "Events", workflow.reading)
    yield opened
    close_files(opened)


def interrupted(destination: Path, workflow: Workflow, files: tuple[DataFile, ...], *, content: str | None) -> None:
    """A training that writes a checkpoint (or none) and stops."""

    def run() -> None:
        with checkpointing(destination, key_of(workflow, files), Collector(), resume=False) as folder:
            if content is not None:
                (folder / "epoch").write_text(content)
            raise Stopped

    with pytest.raises(Stopped):
        run()


def test_the_folder_stands_beside_the_bundle(tmp_path: Path) -> None:
    assert checkpoint_folder(tmp_path / "x" / "higgs") == tmp_path / "x" / "higgs.checkpoint"
    assert checkpoint_folder(tmp_path / "higgs.tar.gz") == tmp_path / "higgs.tar.gz.checkpoint"


def test_it_goes_with_the_end_of_the_training(tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...]) -> None:
    with checkpointing(tmp_path / "out", key_of(workflow, files), Collector(), resume=False) as folder:
        assert folder == checkpoint_folder(tmp_path / "out")
        assert [path.name for path in folder.iterdir()] == ["training.json"]
        (folder / "epoch").touch()
    assert not folder.exists()


def test_without_a_checkpoint_nothing_stays(tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...]) -> None:
    interrupted(tmp_path / "out", workflow, files, content=None)
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]


def test_resume_finds_the_checkpoint(tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...]) -> None:
    interrupted(tmp_path / "out", workflow, files, content="7")
    with checkpointing(tmp_path / "out", key_of(workflow, files), Collector(), resume=True) as folder:
        assert (folder / "epoch").read_text() == "7"


def test_without_resume_it_starts_anew(tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...]) -> None:
    interrupted(tmp_path / "out", workflow, files, content="7")
    with checkpointing(tmp_path / "out", key_of(workflow, files), Collector(), resume=False) as folder:
        assert not (folder / "epoch").exists()


def test_resume_without_a_checkpoint(tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...]) -> None:
    monitor = Collector()
    with checkpointing(tmp_path / "out", key_of(workflow, files), monitor, resume=True) as folder:
        assert folder.is_dir()
    assert "no checkpoint is there" in monitor.notes[0]


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"seed": 5}},
        {"training": {"epochs": 3}},
        {"split": {"seed": 1}},
        {"selection": "met > 1"},
        {"features": {"normalisation": "robust"}},
        {"reading": {"chunk_size": 17}},
        {"weights": {"negative": "abs"}},
    ],
)
def test_resume_of_another_configuration(
    tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...], change: dict[str, Any]
) -> None:
    interrupted(tmp_path / "out", workflow, files, content="7")
    settings = workflow.model_dump(mode="json")
    for name, values in change.items():
        settings[name] = {**settings[name], **values} if isinstance(values, dict) else values
    other = Workflow.model_validate(settings)
    with (
        pytest.raises(ConfigError, match="is of a training with other data, model or configuration") as caught,
        checkpointing(tmp_path / "out", key_of(other, files), Collector(), resume=True),
    ):
        pass
    assert caught.value.where == str(tmp_path / "out.checkpoint")
    assert (tmp_path / "out.checkpoint" / "epoch").read_text() == "7"


def test_resume_of_another_model_or_other_data(tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...]) -> None:
    interrupted(tmp_path / "out", workflow, files, content="7")
    others = ((files[:1], FOUND), (files, found(1.5)))
    for paths, scan in others:
        with (
            pytest.raises(ConfigError),
            checkpointing(tmp_path / "out", key_of(workflow, paths, scan), Collector(), resume=True),
        ):
            pass
    (tmp_path / "model.py").write_text("# changed\n")
    with pytest.raises(ConfigError), checkpointing(tmp_path / "out", key_of(workflow, files), Collector(), resume=True):
        pass


@pytest.mark.parametrize("reading", [{"workers": 2}, {"memory_limit": "1 GB"}])
def test_what_does_not_matter_to_the_result(
    tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...], reading: dict[str, Any]
) -> None:
    interrupted(tmp_path / "out", workflow, files, content="7")
    settings = workflow.model_dump(mode="json")
    settings["reading"].update(reading)
    settings["histograms"] = str(tmp_path / "histograms")
    other = Workflow.model_validate(settings)
    with checkpointing(tmp_path / "out", key_of(other, files), Collector(), resume=True) as folder:
        assert (folder / "epoch").exists()


def test_specs_made_anew(tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...]) -> None:
    specs = tmp_path / "specs.json"
    specs.write_text("{}")
    configured = workflow.model_copy(update={"specs": specs})
    interrupted(tmp_path / "out", configured, files, content="7")
    specs.write_text("{ }")
    with (
        pytest.raises(ConfigError),
        checkpointing(tmp_path / "out", key_of(configured, files), Collector(), resume=True),
    ):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_key(tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...], text: str) -> None:
    interrupted(tmp_path / "out", workflow, files, content="7")
    key = tmp_path / "out.checkpoint" / "training.json"
    assert set(json.loads(key.read_text())) == {"configuration", "events", "files", "model", "preprocessing", "specs"}
    key.write_text(text)
    with pytest.raises(ConfigError), checkpointing(tmp_path / "out", key_of(workflow, files), Collector(), resume=True):
        pass


@pytest.mark.parametrize("resume", [False, True])
def test_something_else_is_there(
    tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...], *, resume: bool
) -> None:
    mine = tmp_path / "out.checkpoint"
    mine.mkdir()
    (mine / "thesis.tex").write_text("mine")
    with (
        pytest.raises(OutputError, match="it exists and is not a checkpoint"),
        checkpointing(tmp_path / "out", key_of(workflow, files), Collector(), resume=resume),
    ):
        pass
    assert (mine / "thesis.tex").read_text() == "mine"


def test_a_place_that_cannot_be_made(tmp_path: Path, workflow: Workflow, files: tuple[DataFile, ...]) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError),
        checkpointing(tmp_path / "file" / "out", key_of(workflow, files), Collector(), resume=False),
    ):
        pass
