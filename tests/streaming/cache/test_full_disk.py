"""A disk that is or becomes full: the run goes on, and nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlaas4hep.streaming.cache import Cache, Shape
from tests.streaming.cache.contents import KEY, OTHER, SHAPE, fill, whole
from tests.support import disks

ROOT = Path(__file__).parents[3]
LIMIT = 10**9


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with disks.small_disk(tmp_path / "disk", "4m") as place:
        yield place


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if path.name != "CACHEDIR.TAG")


def test_what_would_fill_the_disk_is_refused(small_disk: Path) -> None:
    said: list[str] = []
    folder = small_disk / "cache"
    cache = Cache(folder, LIMIT, said.append)
    fill(cache.create(KEY, SHAPE))
    assert cache.create(OTHER, Shape([1000], {}, 1024)) is None
    assert not cache.store_document(OTHER, "a" * 4_150_000)
    assert left(folder) == [f"{KEY}.blocks"]  # it would not have helped to remove it
    assert [text.split("(")[1] for text in said] == [
        "it needs 4.1 MB, and the file system would be nearly full); the run continues without it",
        "it needs 4.15 MB, and the file system would be nearly full); the run continues without it",
    ]


def test_old_entries_make_room_on_a_disk_that_is_nearly_full(small_disk: Path) -> None:
    said: list[str] = []
    folder = small_disk / "cache"
    cache = Cache(folder, LIMIT, said.append)
    large = Shape([1000], {}, 600)
    fill(cache.create(KEY, large))
    fill(cache.create(OTHER, large))
    assert left(folder) == [f"{OTHER}.blocks"]
    assert len(said) == 1
    assert "made room" in said[0]


def test_space_is_reserved_before_anything_is_written(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    folder = small_disk / "cache"
    cache = Cache(folder, LIMIT, said.append)
    # Another program fills the disk between the look at it and the reservation.
    monkeypatch.setattr("mlaas4hep.streaming.cache.room.spare", lambda _: LIMIT)
    assert cache.create(KEY, Shape([2000], {}, 1024)) is None
    assert said == [
        f"cache {folder}: {KEY}.blocks is not kept (No space left on device); the run continues without it",
    ]
    assert left(folder) == []
    writer = cache.create(KEY, SHAPE)
    assert writer is not None
    with writer:
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(5 << 20))
        assert not cache.store_document(OTHER, "a" * 5000)
        fill(writer)  # its space is its own
    filler.unlink()
    assert whole(cache.open(KEY, SHAPE))


FAILS = """
import resource, sys
from mlaas4hep.streaming.cache import Cache
from mlaas4hep.streaming.cache.head import file_size, head_size
from tests.streaming.cache.contents import KEY, SHAPE, arrays

said, folder = [], sys.argv[1]
cache = Cache(folder, 10**9, said.append)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
with cache.create(KEY, SHAPE) as writer:
    assert writer.write(0, arrays(SHAPE, 0))
    kept = writer.read(0)
    # The system refuses bytes from here on; it is the head that does not fit, or the last range.
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
    results = [writer.write(3, arrays(SHAPE, 3)), writer.write(2, arrays(SHAPE, 2))]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert results[1] is False, results
    assert not writer.published
    assert [writer.read(number) for number in range(4)] == [None] * 4
    assert kept["y"].tobytes() == arrays(SHAPE, 0)["y"].tobytes()
    assert not cache.folder.joinpath(f"{KEY}.blocks").exists()
assert len(said) == 1 and "(File too large); the run continues without it" in said[0], said
resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
assert cache.create(KEY, SHAPE) is None
assert not cache.store_document(KEY, "abc" * 10)
assert [path.name for path in cache.folder.iterdir()] == ["CACHEDIR.TAG"]
"""


@pytest.mark.parametrize("allowed", [10, 1500])
def test_a_writer_that_fails_says_so_once_and_is_gone(folder: Path, allowed: int) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", FAILS, str(folder), str(allowed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
