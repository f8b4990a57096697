"""The one file descriptor of a local file: read from any thread, closed after the last read."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import uproot

from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.root.local import LocalSource


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of 1000 bytes."""
    path = tmp_path / "a"
    path.write_bytes(bytes(range(250)) * 4)
    return path


def test_parts_of_the_file(path: Path) -> None:
    source = LocalSource(str(path))
    assert source.bytes_at(3, 7) == bytes([3, 4, 5, 6])
    assert source.bytes_at(998, 1100) == bytes([248, 249])
    assert source.chunk(1, 3).raw_data.tolist() == [1, 2]
    assert source.num_bytes == 1000
    with pytest.raises(OSError, match="expected Chunk of length 10"):
        _ = source.chunk(995, 1005).raw_data


def test_reads_that_give_less_than_asked_for_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, pread = LocalSource(str(path)), os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, at: pread(file, min(size, 3), at))
    assert source.bytes_at(10, 30) == bytes(range(10, 30))
    assert source.bytes_at(990, 1100) == bytes(range(240, 250))


def test_closed_after_the_last_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, pread = LocalSource(str(path)), os.pread
    begun, go_on = threading.Event(), threading.Event()

    def slow(file: int, size: int, at: int) -> bytes:
        begun.set()
        assert go_on.wait(10)
        return pread(file, size, at)

    monkeypatch.setattr(os, "pread", slow)
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(source.bytes_at(0, 2)))
    thread.start()
    assert begun.wait(10)
    source.close()
    assert source.closed
    assert source._local.descriptor is not None
    with pytest.raises(OSError, match="is closed"):
        source.bytes_at(0, 2)
    go_on.set()
    thread.join()
    assert found == [b"\x00\x01"]
    assert source._local.descriptor is None


def descriptors() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_descriptor_is_left(path: Path) -> None:
    before = descriptors()
    with LocalSource(str(path)):
        assert descriptors() == before + 1
    LocalSource(str(path))
    assert descriptors() == before


def test_a_file_put_in_its_place_is_not_seen(tmp_path: Path) -> None:
    path, other = tmp_path / "a.root", tmp_path / "b.root"
    for target, first in ((path, 0.0), (other, 100.0)):
        with uproot.recreate(target) as file:
            file.mktree("Events", {"x": "f8"}).extend({"x": first + np.arange(50.0)})
    source = open_source(str(path), "Events")
    other.replace(path)
    np.testing.assert_array_equal(source.read(["x"], 0, 50)["x"], np.arange(50.0))
    assert open_source(str(path), "Events").read(["x"], 0, 1)["x"] == [100.0]


def test_a_closed_source_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f8"}).extend({"x": np.arange(50.0)})
    source = open_source(str(path), "Events")
    source.close()
    with pytest.raises(FileReadError, match="is closed"):
        source.read(["x"], 0, 50)
