"""The folder: what it is like, where none can be, what file system it is on, and that it may be deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlaas4hep.streaming.cache import Cache
from mlaas4hep.streaming.cache.filesystem import is_network
from tests.streaming.cache.contents import KEY, SHAPE, arrays, fill, same, whole


def test_a_folder_that_is_deleted_during_the_run_does_no_harm(cache: Cache, folder: Path, said: list[str]) -> None:
    writer = cache.create(KEY, SHAPE)
    assert writer is not None
    with writer:
        assert writer.write(0, arrays(SHAPE, 0))
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        assert same(writer.read(0), SHAPE, 0)
        assert cache.open(KEY, SHAPE) is None
        assert writer.write(2, arrays(SHAPE, 2))
        assert not writer.write(3, arrays(SHAPE, 3))
    assert len(said) == 1
    assert "is not kept (No such file or directory)" in said[0]
    fill(cache.create(KEY, SHAPE))
    assert whole(cache.open(KEY, SHAPE))


def test_a_place_where_nothing_can_be_written(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file" / "cache", 10**6, lambda _: None, said.append)
    assert "cannot be used (Not a directory); the run continues without it" in said[0]
    assert cache.create(KEY, SHAPE) is None
    assert not cache.store_document(KEY, 1)
    assert cache.open(KEY, SHAPE) is None
    assert cache.document(KEY) is None
    assert len(said) == 3
    assert cache.create(KEY, SHAPE) is None
    assert len(said) == 3


def test_the_folder_is_private_and_marked(cache: Cache, folder: Path) -> None:
    fill(cache.create(KEY, SHAPE))
    cache.store_document(KEY, 1)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert (folder / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_folder_with_other_things_is_not_marked(folder: Path, new_cache: Callable[..., Cache]) -> None:
    folder.mkdir(mode=0o755)
    (folder / "thesis.tex").write_bytes(b"")
    fill(new_cache().create(KEY, SHAPE))
    assert not (folder / "CACHEDIR.TAG").exists()
    assert folder.stat().st_mode & 0o777 == 0o755
    assert whole(new_cache().open(KEY, SHAPE))


def test_network_file_systems_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_network(tmp_path)
    mounts = tmp_path / "mountinfo"
    (tmp_path / "a b").mkdir()
    place = str(tmp_path).replace(" ", "\\040")
    lines = [
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        f"23 22 0:50 / {place} rw - nfs4 server:/export rw",
        f"24 23 0:51 / {place}/a\\040b rw - fuse.sshfs host: rw",
        f"25 23 0:52 / {place}/local rw - nfs4 hidden:/ rw",
        f"26 25 0:53 / {place}/local rw - tmpfs tmpfs rw",
    ]
    mounts.write_text("\n".join(lines) + "\n", "utf-8")
    monkeypatch.setattr("mlaas4hep.streaming.cache.filesystem._MOUNTS", mounts)
    assert [is_network(tmp_path / name) for name in ("", "a b", "local", "local/x", "../y")] == [
        *(True, True, False, False, False)
    ]
    assert not is_network(Path("/"))
    monkeypatch.setattr("mlaas4hep.streaming.cache.filesystem._MOUNTS", tmp_path / "none")
    assert not is_network(tmp_path)
