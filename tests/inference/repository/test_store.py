"""Changes on disk: whole, in order, and never over each other."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlaas4hep.atomic.owners import is_work
from mlaas4hep.errors.serving import (
    BadRequestError,
    ModelConflictError,
    ModelNotFoundError,
    ServingError,
    TooLargeError,
)
from mlaas4hep.inference.repository.model_json import ModelSettings, read_settings, write_settings
from mlaas4hep.inference.repository.store import Store
from tests.support.serving import save, scaler


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty repository."""
    made = Store(tmp_path / "models", models=3)
    made.open()
    return made


def staged(store: Store, content: str = "x") -> Path:
    folder = store.stage()
    (folder / "model.onnx").write_text(content)
    (folder / "sub").mkdir()
    (folder / "sub" / "more").write_text(content)
    return folder


def visible(store: Store) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.glob("*/*"))


def test_versions_count_up(store: Store) -> None:
    assert [store.publish(staged(store, str(i)), "a") for i in range(3)] == [1, 2, 3]
    assert (store.root / "a" / "2" / "sub" / "more").read_text() == "1"
    assert [path.name for path in store.root.iterdir() if is_work(path.name)] == []


def test_a_version_of_ones_own_choice(store: Store) -> None:
    assert store.publish(staged(store), "a", 7) == 7
    assert store.publish(staged(store), "a") == 8
    folder = staged(store, "new")
    with pytest.raises(ModelConflictError, match="model a has a version 7 already; leave out the version"):
        store.publish(folder, "a", 7)
    assert (store.root / "a" / "7" / "model.onnx").read_text() == "x"
    assert folder.exists()


def test_there_may_be_so_many_models(store: Store) -> None:
    for name in "abc":
        store.publish(staged(store), name)
    store.publish(staged(store), "c")
    with pytest.raises(TooLargeError, match="the repository holds 3 models already"):
        store.publish(staged(store), "d")


def test_a_file_is_no_model(store: Store) -> None:
    (store.root / "a").write_text("notes")
    with pytest.raises(ModelConflictError, match="a is a file of the repository, not a model"):
        store.publish(staged(store), "a")


def test_delete_a_version_then_the_model(store: Store) -> None:
    for _ in range(2):
        store.publish(staged(store), "a")
    write_settings(store.root / "a", ModelSettings(labels={"stable": "1", "canary": "2"}, unloaded=("1",)))
    store.delete("a", "1")
    assert visible(store) == ["a/2", "a/model.json"]
    assert read_settings(store.root / "a") == ModelSettings(labels={"canary": "2"}, highest=1)
    store.delete("a", "2")
    assert visible(store) == []
    assert store.names() == []


def test_the_number_of_a_deleted_version_is_not_given_again(store: Store) -> None:
    for _ in range(3):
        store.publish(staged(store), "a")
    store.delete("a", "3")
    store.delete("a", "2")
    assert store.publish(staged(store), "a") == 4
    assert visible(store) == ["a/1", "a/4", "a/model.json"]
    assert store.publish(staged(store), "a", 2) == 2
    store.delete("a")
    assert store.publish(staged(store), "a") == 1


def test_delete_what_is_not_there(store: Store) -> None:
    with pytest.raises(ModelNotFoundError, match="there is no model a"):
        store.delete("a")
    store.publish(staged(store), "a")
    with pytest.raises(ModelNotFoundError, match="model a has no version 2"):
        store.delete("a", "2")
    for name in ("..", ".lock", "a/1"):
        with pytest.raises(BadRequestError, match="cannot be the name"):
            store.delete(name)


@pytest.mark.parametrize("change", ["publish", "settings"])
def test_a_model_put_there_without_a_version_becomes_version_1(store: Store, change: str) -> None:
    save(scaler(3.0), store.root / "a" / "model.onnx")
    (store.root / "a" / "labels.txt").write_text("x\n")
    (store.root / "a" / "config.pbtxt").write_text("")
    content = (store.root / "a" / "model.onnx").read_bytes()
    if change == "publish":
        assert store.publish(staged(store), "a") == 2
    else:
        store.change("a", lambda now: now.changed({"canary": 5}))
    assert (store.root / "a" / "1" / "model.onnx").read_bytes() == content
    assert (store.root / "a" / "1" / "labels.txt").exists()
    assert (store.root / "a" / "config.pbtxt").exists()
    assert not (store.root / "a" / "model.onnx").exists()


def test_delete_a_model_put_there_without_a_version(store: Store) -> None:
    save(scaler(3.0), store.root / "a" / "model.onnx")
    store.delete("a", "1")
    assert visible(store) == []


def test_settings(store: Store) -> None:
    store.publish(staged(store), "a")
    changed = store.change("a", lambda now: now.changed({"canary": 12.5, "labels": {"stable": "1"}}))
    assert changed == read_settings(store.root / "a") == ModelSettings(canary=12.5, labels={"stable": "1"})
    with pytest.raises(ModelNotFoundError, match="there is no model b"):
        store.change("b", lambda now: now)
    (store.root / "a" / "model.json").write_text("{")
    with pytest.raises(ServingError, match=r"model\.json of a is damaged; repair or remove it"):
        store.change("a", lambda now: now)


def test_default_model(store: Store) -> None:
    assert store.default_model() is None
    store.set_default_model("a")
    assert store.default_model() == "a"
    assert Store(store.root).default_model() == "a"
    (store.root / "server.json").write_text("[]")
    assert store.default_model() is None


def test_many_at_once_get_a_version_each(store: Store) -> None:
    folders = [staged(store, str(i)) for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda folder: store.publish(folder, "a"), folders))
    assert sorted(numbers) == list(range(1, 25))
    for i, number in enumerate(numbers):
        assert (store.root / "a" / str(number) / "model.onnx").read_text() == str(i)


def test_several_processes_never_overwrite_each_other(store: Store) -> None:
    code = """
import sys
from pathlib import Path
from mlaas4hep.inference.repository.store import Store
store = Store(Path(sys.argv[1]))
for i in range(15):
    folder = store.stage()
    (folder / "model.onnx").write_text(f"{sys.argv[2]} {i}")
    store.publish(folder, "a")
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, str(store.root), str(k)]) for k in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    found = [path.read_text() for path in store.root.glob("a/*/model.onnx")]
    assert sorted(found) == sorted(f"{k} {i}" for k in range(3) for i in range(15))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ServingError, match="the repository cannot be changed"):
            Store(tmp_path / "models").open()
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_the_place_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(ServingError, match=r"the repository cannot be changed \(File exists\)"):
        Store(tmp_path / "models").open()
