"""The limit: what was not used for longest goes, and nothing that is being written or would be harmed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.streaming.cache import Cache, Shape, content_key
from mlaas4hep.streaming.cache.head import file_size
from tests.streaming.cache.contents import KEY, SHAPE, arrays, fill, same

SIZE = file_size(SHAPE)
KEYS = [content_key({"number": number}) for number in range(6)]


def stored(folder: Path) -> set[int]:
    """Which of the keys are there."""
    return {number for number, key in enumerate(KEYS) if list(folder.glob(f"{key}*"))}


def age(folder: Path, number: int, seconds: int) -> None:
    """When an entry or document was last used."""
    for path in folder.glob(f"{KEYS[number]}*"):
        os.utime(path, (seconds, seconds))


def test_the_longest_unused_go_first(new_cache: Callable[..., Cache], folder: Path, said: list[str]) -> None:
    cache = new_cache(3 * SIZE)
    for number, seconds in [(0, 300), (1, 100), (2, 200)]:
        fill(cache.create(KEYS[number], SHAPE))
        age(folder, number, seconds)
    assert stored(folder) == {0, 1, 2}
    assert not said
    entry = cache.open(KEYS[1], SHAPE)  # it becomes the youngest
    assert entry is not None
    entry.close()
    fill(cache.create(KEYS[3], SHAPE))
    assert stored(folder) == {0, 1, 3}
    assert said == [
        f"cache {folder}: 1 file (1.73 kB) not used for longest made room for new ones",
    ]
    fill(cache.create(KEYS[4], SHAPE))
    assert stored(folder) == {1, 3, 4}


def test_documents_count_and_go_too(new_cache: Callable[..., Cache], folder: Path) -> None:
    cache = new_cache(2 * SIZE)
    assert cache.store_document(KEYS[0], "a" * (SIZE - 200))
    assert cache.store_document(KEYS[1], "b")
    age(folder, 0, 100)
    age(folder, 1, 200)
    assert cache.document(KEYS[0]) is not None  # it becomes the youngest
    fill(cache.create(KEYS[2], SHAPE))
    assert stored(folder) == {0, 2}
    age(folder, 0, 100)
    assert cache.store_document(KEYS[3], "c" * (SIZE - 200))
    assert stored(folder) == {2, 3}


def test_what_is_larger_than_the_limit_is_refused(
    new_cache: Callable[..., Cache], folder: Path, said: list[str]
) -> None:
    cache = new_cache(SIZE - 1)
    cache.store_document(KEYS[0], 1)
    assert cache.create(KEYS[1], SHAPE) is None
    assert not cache.store_document(KEYS[2], "a" * SIZE)
    assert stored(folder) == {0}
    assert "it needs 1.73 kB, the limit of the cache is 1.73 kB" in said[0]
    new = new_cache(100)
    assert new.create(KEYS[1], Shape([10**9], {}, 100)) is None
    assert "it needs 400 GB, the limit of the cache is 100 bytes" in said[-1]


def test_what_is_being_written_stays_and_counts(new_cache: Callable[..., Cache], folder: Path, said: list[str]) -> None:
    cache = new_cache(2 * SIZE)
    writer = cache.create(KEYS[0], SHAPE)
    assert writer is not None
    with writer:
        fill(new_cache(2 * SIZE).create(KEYS[1], SHAPE))
        fill(new_cache(2 * SIZE).create(KEYS[2], SHAPE))
        assert stored(folder) == {0, 2}
        assert new_cache(2 * SIZE - 1).create(KEYS[3], SHAPE) is None
        assert "others write 1.73 kB, the limit is 3.46 kB" in said[-1]
        assert stored(folder) == {0}  # the lower limit holds from the start; what is being written stays
        for number in (0, 2, 3):
            writer.write(number, arrays(SHAPE, number))
        assert writer.published


@pytest.mark.parametrize("mapped", [True, False])
def test_readers_keep_what_is_removed(new_cache: Callable[..., Cache], folder: Path, *, mapped: bool) -> None:
    shape = Shape([3000, 3000], {"y": np.int64}, 3)
    cache = new_cache(file_size(shape), mapped=mapped)
    fill(cache.create(KEYS[0], shape))
    entry = cache.open(KEYS[0], shape)
    assert entry is not None
    with entry:
        first = entry.read(0)
        fill(new_cache(file_size(shape)).create(KEYS[1], shape))
        assert stored(folder) == {1}
        assert same(first, shape, 0)
        assert same(entry.read(1), shape, 1)


def test_other_files_are_neither_counted_nor_removed(folder: Path, new_cache: Callable[..., Cache]) -> None:
    folder.mkdir()
    (folder / "notes.blocks").write_bytes(bytes(10 * SIZE))
    (folder / "0123456789abcdef").write_bytes(bytes(10 * SIZE))
    cache = new_cache(SIZE)
    fill(cache.create(KEY, SHAPE))
    assert sorted(path.name for path in folder.iterdir()) == ["0123456789abcdef", f"{KEY}.blocks", "notes.blocks"]


def test_a_lower_limit_holds_from_the_start(new_cache: Callable[..., Cache], folder: Path) -> None:
    cache = new_cache(4 * SIZE)
    for number in range(4):
        fill(cache.create(KEYS[number], SHAPE))
        age(folder, number, 100 + number)
    new_cache(2 * SIZE)  # a run that may read only
    assert stored(folder) == {2, 3}
