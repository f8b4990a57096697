"""Damaged, cut, swapped and foreign files: never wrong data, and made anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from mlaas4hep.streaming.cache import Cache, Json, Shape
from mlaas4hep.streaming.cache.key import FORMAT
from tests.streaming.cache.contents import KEY, OTHER, SHAPE, arrays, fill, same, whole

VALUE: Json = {"entries": [1, 2, 3], "sum": 0.1}


def the_file(folder: Path, suffix: str = "blocks") -> Path:
    return folder / f"{KEY}.{suffix}"


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF])
def test_no_byte_of_an_entry_can_be_changed_unseen(
    new_cache: Callable[..., Cache], folder: Path, said: list[str], bits: int, *, mapped: bool
) -> None:
    cache = new_cache(mapped=mapped)
    fill(cache.create(KEY, SHAPE))
    right = the_file(folder).read_bytes()
    seen = 0
    for place in range(len(right)):
        wrong = bytearray(right)
        wrong[place] ^= bits
        the_file(folder).write_bytes(wrong)
        entry = cache.open(KEY, SHAPE)
        found = [entry.read(number) for number in range(4)] if entry is not None else [None]
        assert all(data is None or same(data, SHAPE, number) for number, data in enumerate(found))
        if None in found:
            seen += 1
            assert not the_file(folder).exists()
            assert entry is None or entry.read(0) is None
        if entry is not None:
            entry.close()
    data_bytes = sum(array.nbytes for number in range(4) for array in arrays(SHAPE, number).values())
    assert seen == len(right) - SHAPE.nbytes + data_bytes  # nothing is in the gaps between the columns
    assert all("is damaged" in text and "written again" in text for text in said)
    assert len(said) == len(set(said))


def test_a_damaged_entry_is_made_again(cache: Cache, folder: Path, said: list[str]) -> None:
    fill(cache.create(KEY, SHAPE))
    content = bytearray(the_file(folder).read_bytes())
    content[-SHAPE.nbytes] ^= 1
    the_file(folder).write_bytes(content)
    entry = cache.open(KEY, SHAPE)
    assert entry is not None
    with entry:
        assert same(entry.read(2), SHAPE, 2)
        assert entry.read(0) is None
        assert entry.read(2) is None
        fill(cache.create(KEY, SHAPE))
    assert whole(cache.open(KEY, SHAPE))
    assert said == [
        (
            f"cache {folder}: {KEY}.blocks is damaged (range 0 does not have its checksum); "
            "it is not used, and is written again"
        )
    ]


def test_damage_that_shows_late_leaves_a_newer_entry_alone(cache: Cache, folder: Path) -> None:
    fill(cache.create(KEY, SHAPE))
    entry = cache.open(KEY, SHAPE)
    assert entry is not None
    with the_file(folder).open("r+b") as file:
        file.seek(-SHAPE.nbytes, os.SEEK_END)
        file.write(bytes(SHAPE.nbytes))
    the_file(folder).unlink()
    fill(cache.create(KEY, SHAPE))
    with entry:
        assert entry.read(0) is None
    assert whole(cache.open(KEY, SHAPE))


@pytest.mark.parametrize("mapped", [True, False])
def test_a_cut_or_longer_file_is_not_used(new_cache: Callable[..., Cache], folder: Path, *, mapped: bool) -> None:
    cache = new_cache(mapped=mapped)
    fill(cache.create(KEY, SHAPE))
    right = the_file(folder).read_bytes()
    for content in [*(right[:size] for size in range(len(right))), right + b"\0"]:
        the_file(folder).write_bytes(content)
        assert cache.open(KEY, SHAPE) is None
        assert not the_file(folder).exists()


@pytest.mark.parametrize("mapped", [True, False])
def test_a_file_cut_in_place_while_it_is_open_is_not_read(
    new_cache: Callable[..., Cache], folder: Path, said: list[str], *, mapped: bool
) -> None:
    shape = Shape([5000] * 3, {}, 4)
    cache = new_cache(mapped=mapped)
    fill(cache.create(KEY, shape))
    entry = cache.open(KEY, shape)
    assert entry is not None
    with entry:
        assert same(entry.read(0), shape, 0)
        os.truncate(the_file(folder), 100_000)
        assert entry.read(2) is None
    assert len(said) == 1
    assert not the_file(folder).exists()


def test_what_a_writer_wrote_is_verified_too(cache: Cache, folder: Path, said: list[str]) -> None:
    writer = cache.create(KEY, SHAPE)
    assert writer is not None
    with writer:
        assert writer.write(0, arrays(SHAPE, 0))
        (partial,) = folder.glob("*.partial")
        content = bytearray(partial.read_bytes())
        content[-SHAPE.nbytes] ^= 1
        with partial.open("r+b") as file:
            file.write(content)
        assert writer.read(0) is None
        assert not writer.write(2, arrays(SHAPE, 2))
    assert not list(folder.glob("*.blocks*"))
    assert len(said) == 1
    assert "range 0 does not have its checksum" in said[0]


def test_files_under_the_name_of_another_are_not_used(cache: Cache, folder: Path) -> None:
    fill(cache.create(OTHER, SHAPE))
    (folder / f"{OTHER}.blocks").rename(the_file(folder))
    assert cache.open(KEY, SHAPE) is None
    cache.store_document(OTHER, VALUE)
    (folder / f"{OTHER}.document").rename(the_file(folder, "document"))
    assert cache.document(KEY) is None
    assert not list(folder.glob(f"{KEY}*"))


def test_another_shape_or_version_is_not_used(cache: Cache, folder: Path, said: list[str]) -> None:
    fill(cache.create(KEY, SHAPE))
    assert cache.open(KEY, Shape((5, 0, 3, 1), dict(SHAPE.columns), 2)) is None
    fill(cache.create(KEY, SHAPE))
    content = bytearray(the_file(folder).read_bytes())
    content[8] = FORMAT + 1
    the_file(folder).write_bytes(content)
    assert cache.open(KEY, SHAPE) is None
    assert f"has version {FORMAT + 1}, not {FORMAT}" in said[-1]


def test_links_folders_and_pipes_are_not_followed(cache: Cache, folder: Path, tmp_path: Path, said: list[str]) -> None:
    fill(cache.create(KEY, SHAPE))
    cache.store_document(KEY, VALUE)
    for suffix in ("blocks", "document"):
        place, elsewhere = the_file(folder, suffix), tmp_path / suffix
        place.rename(elsewhere)
        content = elsewhere.read_bytes()
        for make in (lambda path, target: path.symlink_to(target), lambda path, _: os.mkfifo(path)):
            make(place, elsewhere)
            assert (cache.open(KEY, SHAPE) if suffix == "blocks" else cache.document(KEY)) is None
            assert not os.path.lexists(place)
        place.mkdir()
        assert (cache.open(KEY, SHAPE) if suffix == "blocks" else cache.document(KEY)) is None
        assert elsewhere.read_bytes() == content
    assert cache.create(KEY, SHAPE) is None
    assert "can be neither read nor removed" in said[-1]
    assert not cache.store_document(KEY, VALUE)
    assert not list(folder.glob("*.partial"))


def test_a_link_in_the_place_of_a_document_is_replaced_not_followed(cache: Cache, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("untouched", "utf-8")
    the_file(folder, "document").symlink_to(target)
    assert cache.store_document(KEY, VALUE)
    assert target.read_text("utf-8") == "untouched"
    assert cache.document(KEY) == VALUE


def test_no_byte_of_a_document_can_be_changed_unseen(cache: Cache, folder: Path) -> None:
    cache.store_document(KEY, VALUE)
    right = the_file(folder, "document").read_bytes()
    changed: list[bytes] = []
    for place, bits in product(range(len(right)), (1, 128)):
        changed.append(right[:place] + bytes([right[place] ^ bits]) + right[place + 1 :])
    for content in [*changed, *(right[:size] for size in range(len(right))), right + b" "]:
        the_file(folder, "document").write_bytes(content)
        assert cache.document(KEY) is None
        assert not the_file(folder, "document").exists()
