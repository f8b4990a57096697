"""Trainings with a cache on disk: whatever happens to it, the model is that of a training without."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uproot

from mlaas4hep.config import Split
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.streaming import ranges as scanning
from mlaas4hep.streaming.dataset.keys import rows_key, scan_key
from mlaas4hep.streaming.files import DataFile, close_files, open_files
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.scan.pipeline import Pipeline
from mlaas4hep.training.workflow import run_training
from tests.streaming.dataset.test_dataset import LAYOUT
from tests.support.disks import small_disk
from tests.support.trained import Interrupting, Small, small_files, streamed
from tests.support.written import make_events, write_ttree

pytestmark = pytest.mark.usefixtures("without_report")


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "target_events", lambda _files: 40)


@pytest.fixture(scope="module")
def expected(small: Small, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The model without a cache."""
    folder = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "target_events", lambda _files: 40)
        return trained(streamed(small, folder), folder / "model")


def trained(workflow: Workflow, bundle: Path, monitor: Collector | None = None) -> bytes:
    """The ONNX model of a training."""
    run_training(workflow, bundle, monitor or Collector())
    return (bundle / "model.onnx").read_bytes()


def files_of(cache: Path) -> list[str]:
    return sorted(path.suffix for path in cache.iterdir() if path.name != "CACHEDIR.TAG")


def test_a_later_training_reads_no_event(small: Small, expected: bytes, tmp_path: Path) -> None:
    workflow = streamed(small, tmp_path, cache=tmp_path / "cache")
    first, second = Collector(), Collector()
    assert trained(workflow, tmp_path / "first", first) == expected
    assert files_of(tmp_path / "cache") == [".blocks", ".document"]
    assert any("they are computed" in note for note in first.notes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, "apply", None)  # whoever reads fails
        assert trained(workflow, tmp_path / "second", second) == expected
    assert any("are used again" in note for note in second.notes)


def test_another_model_uses_the_same_events(small: Small, tmp_path: Path) -> None:
    workflow = streamed(small, tmp_path, cache=tmp_path / "cache")
    trained(workflow, tmp_path / "first")
    assert workflow.training is not None
    other = workflow.model_copy(
        update={
            "training": workflow.training.model_copy(update={"epochs": 2, "seed": 5}),
            "features": workflow.features.model_copy(update={"normalisation": "robust", "mask": True}),
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, "apply", None)
        trained(other, tmp_path / "second")
    assert files_of(tmp_path / "cache") == [".blocks", ".document"]


@pytest.mark.parametrize("what", [".blocks", ".document"])
@pytest.mark.parametrize("how", ["flipped", "cut", "emptied", "removed"])
def test_a_damaged_cache_is_made_again(small: Small, expected: bytes, tmp_path: Path, what: str, how: str) -> None:
    workflow = streamed(small, tmp_path, cache=tmp_path / "cache")
    trained(workflow, tmp_path / "first")
    (path,) = (tmp_path / "cache").glob(f"*{what}")
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 0x10
    if how == "removed":
        path.unlink()
    else:
        path.write_bytes({"flipped": bytes(content), "cut": bytes(content[: len(content) // 2]), "emptied": b""}[how])
    monitor = Collector()
    assert trained(workflow, tmp_path / "second", monitor) == expected
    if how != "removed":
        assert any(str(tmp_path / "cache") in text for text in monitor.warnings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, "apply", None)
        assert trained(workflow, tmp_path / "third") == expected


class Removing(Collector):
    """Removes the cache while the training runs."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def stage(self, title: str, total: int | None, unit: str = "events") -> Any:
        if title in {"training", "scoring"}:
            for path in self._folder.iterdir():
                path.unlink()
        return super().stage(title, total, unit)


def test_a_cache_removed_during_the_training(small: Small, expected: bytes, tmp_path: Path) -> None:
    workflow = streamed(small, tmp_path, cache=tmp_path / "cache")
    trained(workflow, tmp_path / "first")
    assert trained(workflow, tmp_path / "second", Removing(tmp_path / "cache")) == expected
    assert trained(workflow, tmp_path / "third") == expected


def test_an_interrupted_training_leaves_nothing_half_written(small: Small, expected: bytes, tmp_path: Path) -> None:
    workflow = streamed(small, tmp_path, cache=tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        run_training(workflow, tmp_path / "first", Interrupting(1))
    assert not list((tmp_path / "cache").glob("*.partial"))
    assert trained(workflow, tmp_path / "second") == expected


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, which is less than the events need."""
    with small_disk(tmp_path / "disk", "64k") as place:
        yield place


def test_a_full_disk_ends_the_caching_and_not_the_training(
    small: Small, expected: bytes, tmp_path: Path, full_disk: Path
) -> None:
    (full_disk / "other").write_bytes(b"x" * 50_000)
    monitor = Collector()
    assert trained(streamed(small, tmp_path, cache=full_disk / "cache"), tmp_path / "model", monitor) == expected
    assert any("the run continues without it" in text for text in (*monitor.notes, *monitor.warnings))
    assert not list((full_disk / "cache").glob("*.partial"))


def test_too_small_a_limit_ends_the_caching_and_not_the_training(small: Small, expected: bytes, tmp_path: Path) -> None:
    workflow = streamed(small, tmp_path, cache=tmp_path / "cache", cache_limit=1000)
    assert trained(workflow, tmp_path / "model") == expected
    assert not list((tmp_path / "cache").glob("*.blocks"))


def test_a_file_replaced_between_two_runs(small: Small, expected: bytes, tmp_path: Path) -> None:
    paths = small_files(tmp_path)
    copy = Small(tmp_path, paths, small.workflow, small.result, small.bundle, small.split, small.monitor)
    workflow = streamed(copy, tmp_path, cache=tmp_path / "cache")
    assert trained(workflow, tmp_path / "first") != b""
    paths["signal"].unlink()
    write_ttree(paths["signal"], make_events(260, seed=77, signal=True))
    fresh = trained(streamed(copy, tmp_path), tmp_path / "fresh")
    assert trained(workflow, tmp_path / "second") == fresh != expected


def test_a_file_rewritten_in_place_is_not_resumed(small: Small, tmp_path: Path) -> None:
    """ROOT's update mode keeps the UUID: the events decide."""
    paths = small_files(tmp_path)
    copy = Small(tmp_path, paths, small.workflow, small.result, small.bundle, small.split, small.monitor)
    workflow = streamed(copy, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_training(workflow, tmp_path / "model", Interrupting(1))
    path, state = paths["signal"], paths["signal"].stat()
    old = uuid_of(path)
    write_ttree(path, make_events(260, seed=77, signal=True))
    path.write_bytes(path.read_bytes().replace(uuid_of(path), old))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(ConfigError, match="is of a training with other data"):
        run_training(workflow, tmp_path / "model", Collector(), resume=True)
    assert not (tmp_path / "model").exists()


def uuid_of(path: Path) -> bytes:
    with uproot.open(path) as file:
        return bytes(file.file.uuid.bytes)


def keys_of(files: tuple[DataFile, ...], **changes: Any) -> str:
    pipeline = Pipeline(Preprocessing(), ("met", "Jet_pt"), ("run",), None, "w", "keep", Split())
    for name, value in changes.items():
        pipeline = pipeline.__class__(**{**pipeline.__dict__, name: value})
    return scan_key(files, pipeline, events=-1, count_labels=True)


def test_a_file_rewritten_in_place_has_another_key(small: Small, tmp_path: Path) -> None:
    """A ROOT file that is updated keeps its UUID; size or time of change tell it apart."""
    path = write_ttree(tmp_path / "a.root", make_events(20, seed=1, signal=True))
    sample = small.workflow.samples[0].model_copy(update={"files": (str(path),)})
    files = open_files([sample], "Events", small.workflow.reading)
    before = keys_of(files)
    assert keys_of(files) == before
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert keys_of(files) != before
    close_files(files)


def test_whatever_decides_the_content_is_in_the_key(small: Small) -> None:
    files = open_files(small.workflow.samples, "Events", small.workflow.reading)
    changes: list[dict[str, Any]] = [
        {},
        {"features": ("met",)},
        {"features": ("Jet_pt", "met")},
        {"identifier": ()},
        {"label_branch": "flag"},
        {"weight_branch": None},
        {"negative": "abs"},
        {"split": Split(seed=1)},
        {"split": Split(test=0.1)},
        {"missing": (-999.0,)},
    ]
    keys = {keys_of(files, **change) for change in changes}
    keys |= {keys_of(files[:1]), keys_of(files[::-1])}
    reweighted = tuple(DataFile(f.index, f.sample.model_copy(update={"weight": 3.0}), f.source) for f in files)
    relabelled = tuple(DataFile(f.index, f.sample.model_copy(update={"label": "x"}), f.source) for f in files)
    keys |= {keys_of(reweighted), keys_of(relabelled)}
    assert len(keys) == len(changes) + 4
    assert len({rows_key("a", LAYOUT, ["binary", [0, 1]]), rows_key("b", LAYOUT, ["binary", [0, 1]])}) == 2
    assert rows_key("a", LAYOUT, ["binary", [1, 0]]) != rows_key("a", LAYOUT, ["binary", [0, 1]])
    close_files(files)
