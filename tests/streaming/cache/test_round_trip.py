"""What is written comes back, in any order, from any thread, for any sizes."""

from __future__ import annotations

import gc
import math
import mmap
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.streaming.cache import Cache, Json, Shape
from tests.streaming.cache.contents import COLUMNS, KEY, SHAPE, arrays, fill, same, whole

DTYPES = st.sampled_from(["?", "i1", "u2", "i4", "i8", "f4", "f8", "S3", "U4"]).map(np.dtype)
SHAPES = st.builds(
    Shape,
    st.lists(st.integers(0, 40), max_size=6),
    st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda name: name != "x"), DTYPES, max_size=5),
    st.integers(0, 9),
)


@settings(max_examples=150)
@given(SHAPES, st.booleans(), st.randoms(use_true_random=False))
def test_any_shape_in_any_order(shape: Shape, mapped: bool, random: Any) -> None:
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder) / "cache", 10**7, said.append, mapped=mapped)
        numbers = list(range(len(shape.ranges)))
        random.shuffle(numbers)
        writer = cache.create(KEY, shape)
        assert writer is not None
        with writer:
            for done, number in enumerate(numbers):
                left = [later for later in numbers[done:] if shape.ranges[later]]
                assert all(writer.read(later) is None for later in left)
                assert writer.published == (not left)
                writer.write(number, arrays(shape, number))
                assert same(writer.read(number), shape, number)
            assert writer.published
        entry = cache.open(KEY, shape)
        assert entry is not None
        with entry:
            for number in numbers * 2:
                found = entry.read(number)
                assert same(found, shape, number)
                assert found is not None
                for array in found.values():
                    assert array.flags.c_contiguous
                    assert not array.flags.writeable
                    assert not array.size or array.ctypes.data % 64 == 0
    assert not said


def test_threads_write_and_read_at_the_same_time(cache: Cache) -> None:
    shape = Shape([257] * 64, COLUMNS, 33)
    writer = cache.create(KEY, shape)
    assert writer is not None
    start = threading.Barrier(8)

    def work(first: int) -> bool:
        start.wait()
        fine = True
        for number in range(first, 64, 8):
            fine &= writer.write(number, arrays(shape, number)) and same(writer.read(number), shape, number)
            other = (number * 7 + 3) % 64
            found = writer.read(other)
            fine &= found is None or same(found, shape, other)
        return fine

    with writer, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
        assert writer.published
    assert whole(cache.open(KEY, shape))


def test_a_range_is_written_once(cache: Cache) -> None:
    writer = cache.create(KEY, SHAPE)
    assert writer is not None
    with writer:
        assert writer.write(0, arrays(SHAPE, 0))
        assert not writer.write(0, arrays(SHAPE, 0, seed=1))
        assert same(writer.read(0), SHAPE, 0)


def test_arrays_that_were_not_promised_are_refused(cache: Cache) -> None:
    writer = cache.create(KEY, SHAPE)
    assert writer is not None
    right = arrays(SHAPE, 0)
    with writer:
        for wrong, what in [
            ({name: array for name, array in right.items() if name != "y"}, "promised were"),
            (right | {"z": right["y"]}, "promised were"),
            (right | {"y": right["y"].astype(np.float64)}, "'y' of range 0 is float64"),
            (right | {"x": right["x"].astype(">f4")}, "'x' of range 0 is >f4"),
            (right | {"x": right["x"].T}, "promised was float32"),
        ]:
            with pytest.raises(ValueError, match=what):
                writer.write(0, wrong)
        with pytest.raises(ValueError, match="there is no range 4"):
            writer.write(4, right)
        turned = right | {"x": np.asfortranarray(right["x"])}
        assert writer.write(0, turned)
        assert same(writer.read(0), SHAPE, 0)


@pytest.mark.parametrize("dtype", [object, ">i4", "M8[s]", [("a", "i4")], "S0"])
def test_columns_that_are_no_plain_memory_are_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match="column 'y' is"):
        Shape([1], {"y": dtype}, 1)


def test_impossible_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="is the matrix"):
        Shape([1], {"x": np.int8}, 1)
    for ranges, width in [([-1], 1), ([1], -1)]:
        with pytest.raises(ValueError, match="not negative"):
            Shape(ranges, {}, width)


@pytest.mark.parametrize("mapped", [True, False])
def test_arrays_outlive_everything(new_cache: Callable[..., Cache], folder: Path, *, mapped: bool) -> None:
    cache = new_cache(mapped=mapped)
    fill(cache.create(KEY, SHAPE))
    entry = cache.open(KEY, SHAPE)
    assert entry is not None
    found = entry.read(2)
    entry.close()
    assert entry.read(2) is None
    for path in folder.iterdir():
        path.unlink()
    gc.collect()
    assert same(found, SHAPE, 2)


def test_memory_of_ranges_no_longer_used_is_given_back(cache: Cache, folder: Path) -> None:
    shape = Shape([1 << 16] * 4, {}, 16)
    fill(cache.create(KEY, shape))
    entry = cache.open(KEY, shape)
    assert entry is not None

    def resident() -> int:
        maps = Path("/proc/self/smaps").read_text("utf-8").split(str(folder))[1:]
        return sum(int(part.split("Rss:")[1].split()[0]) * 1024 for part in maps)

    size = 4 * 16 << 16
    with entry:
        kept = entry.read(0)
        assert kept is not None
        view = kept["x"][5:].T
        del kept
        for number in range(1, 4):
            assert entry.read(number) is not None
        # Pages at the ends of a range are shared with its neighbours, and the system maps some pages around.
        assert abs(resident() - size) < 32 * mmap.PAGESIZE
        assert view.tobytes() == arrays(shape, 0)["x"][5:].T.tobytes()
        del view
        assert resident() < 32 * mmap.PAGESIZE


def test_documents_come_back(cache: Cache, said: list[str]) -> None:
    value: Json = {"a": [1, 2.5, None, True, "ü\ud800\n"], "b": {"c": 1e-308, "d": math.inf}, "": []}
    assert cache.document(KEY) is None
    assert cache.store_document(KEY, value)
    assert cache.document(KEY) == value
    assert cache.store_document(KEY, math.nan)
    assert repr(cache.document(KEY)) == "nan"
    with pytest.raises(TypeError):
        cache.store_document(KEY, {"a": {1, 2}})  # type: ignore[dict-item]
    assert not said
