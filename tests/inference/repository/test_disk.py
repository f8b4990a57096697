"""Small operations on the repository's folder."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from mlaas4hep.errors.serving import ModelConflictError
from mlaas4hep.inference.repository import disk
from mlaas4hep.inference.repository.disk import disk_error, link_tree, locked, read_object, write_object


def test_errors_do_not_show_paths() -> None:
    error = disk_error(OSError(errno.ENOSPC, "No space left on device", "/secret/place"))
    assert str(error) == "the repository cannot be changed (the disk is full)"
    error = disk_error(PermissionError(errno.EACCES, "Permission denied", "/secret/place"))
    assert str(error) == "the repository cannot be changed (Permission denied)"


def test_objects(tmp_path: Path) -> None:
    assert read_object(tmp_path / "none") == {}
    write_object(tmp_path / "a", {"b": [1], "a": None})
    write_object(tmp_path / "a", {"b": [2]})
    assert read_object(tmp_path / "a") == {"b": [2]}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "is not a JSON object"),
        ("{", "Expecting"),
        ("[" * 100_000, "nested too deeply"),
        ("x" * 300, "is larger"),
    ],
)
def test_what_is_no_object(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_object(tmp_path / "a", limit=200 if text.startswith("x") else 1 << 20)


def test_the_lock_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "LOCK_SECONDS", 0.01)
    with locked(tmp_path):
        pass
    descriptor = os.open(tmp_path / ".lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(ModelConflictError, match="is being changed by another process"), locked(tmp_path):
            pass
    finally:
        os.close(descriptor)
    with locked(tmp_path):
        pass


def test_linked_files_are_the_same(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    for name in ("a", "leave", ".hidden", "sub/b"):
        (source / name).write_text(name)
    link_tree(source, tmp_path / "target", frozenset({"leave"}))
    found = sorted(str(path.relative_to(tmp_path / "target")) for path in (tmp_path / "target").rglob("*"))
    assert found == ["a", "sub", "sub/b"]
    assert (tmp_path / "target" / "a").samefile(source / "a")
