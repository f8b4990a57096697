"""Gathered and transformed rows against one number at a time; wrong indices are refused."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlaas4hep.features.gather import Sources, gather
from mlaas4hep.features.layout import FeatureBranch, Layout

SPECIAL = [0.0, -0.0, math.nan, math.inf, -math.inf, 1e-45, -1e-40, 3.4e38, -3.4e38, -999.0, -1.0, 7.0]
RAW = st.sampled_from(SPECIAL) | st.floats(width=32)
TAME = st.sampled_from([0.0, -0.0, 1e-40, 1.0, 1e30]) | st.floats(-(2.0**100), 2.0**100, width=32)
MISSING = st.lists(st.sampled_from([-999.0, 0.0, -1.0, 7.0, 8.0, 9.0, math.nan, 1e300]), max_size=7)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    branches = []
    for number in range(draw(st.integers(1, 4))):
        length = draw(st.integers(1, 9))
        kind = "flat" if length == 1 else "jagged"
        branches.append(FeatureBranch(f"b{number}", kind, length, *(draw(TAME) for _ in range(4))))  # type: ignore[arg-type]
    return Layout(tuple(branches), tuple(draw(MISSING)), draw(st.booleans()), draw(st.booleans()))


def by_hand(layout: Layout, raw: np.ndarray) -> np.ndarray:
    """One float32 operation at a time."""
    one = np.float32
    numbers = [b for b in layout.branches for _ in range(b.length)]
    out = np.empty((len(raw), layout.model_width), dtype=np.float32)
    with np.errstate(all="ignore"):
        sentinels = [one(value) for value in layout.missing]
        for row, to in zip(raw, out, strict=True):
            for k, (value, branch) in enumerate(zip(row, numbers, strict=True)):
                real = math.isfinite(value) and all(value != sentinel for sentinel in sentinels)
                scaled = one(one(value - one(branch.offset)) * one(branch.scale))
                if not layout.nan and scaled <= one(branch.floor):
                    scaled = one(branch.floor)
                to[k] = scaled if real else one(np.nan if layout.nan else branch.fill)
                if layout.mask:
                    to[layout.width + k] = 1.0 if real else 0.0
    return out


def bits(array: np.ndarray) -> list[int]:
    return np.ascontiguousarray(array).view(np.uint32).ravel().tolist()


@given(layouts(), st.data())
def test_the_formula_number_by_number(layout: Layout, data: st.DataObject) -> None:
    raw = data.draw(hnp.arrays(np.float32, (data.draw(st.integers(0, 5)), layout.width), elements=RAW))
    before = raw.copy()
    found = layout.transform(raw)
    assert found.dtype == np.float32
    assert bits(found) == bits(by_hand(layout, raw))
    assert bits(raw) == bits(before)


@given(layouts(), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans(), st.data())
def test_rows_from_several_sources(layout: Layout, sizes: list[int], plain: bool, data: st.DataObject) -> None:
    arrays = [data.draw(hnp.arrays(np.float32, (size, layout.width), elements=RAW)) for size in sizes]
    for array in arrays:
        array.flags.writeable = False
    chosen = data.draw(
        st.lists(st.integers(0, len(sizes) - 1).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, sizes[b] - 1))))
    )
    block = np.array([b for b, _ in chosen], dtype=np.int32)
    row = np.array([r for _, r in chosen], dtype=np.int64)
    picked = np.array([arrays[b][r] for b, r in chosen], dtype=np.float32).reshape(-1, layout.width)
    expected = picked if plain else by_hand(layout, picked)
    wide = np.full((2 * len(chosen), expected.shape[1] + 3), 5.0, dtype=np.float32)
    out = wide[::2, 1:-2]
    gather(out, Sources(arrays), block, row, None if plain else layout.prepared)
    assert bits(out) == bits(expected)
    assert (wide[1::2] == 5.0).all()
    assert (wide[:, 0] == 5.0).all()
    assert (wide[:, -2:] == 5.0).all()


def test_wide_rows_as_a_model_sees_them() -> None:
    generator = np.random.default_rng(1)
    branches = [
        FeatureBranch(f"j{i}", "jagged", 13, *generator.normal(size=4).astype("f4").tolist()) for i in range(30)
    ]
    layout = Layout(tuple(branches), (-999.0,), mask=True)
    arrays = [generator.normal(size=(7, layout.width)).astype(np.float32) for _ in range(3)]
    for array in arrays:
        array[generator.random(array.shape) < 0.3] = np.nan
        array[generator.random(array.shape) < 0.1] = -999.0
    block = generator.integers(0, 3, 40).astype(np.int32)
    row = generator.integers(0, 7, 40)
    out = np.empty((40, layout.model_width), dtype=np.float32)
    gather(out, Sources(arrays), block, row, layout.prepared)
    assert bits(out) == bits(by_hand(layout, np.stack([arrays[b][r] for b, r in zip(block, row, strict=True)])))


def test_memory_maps_and_one_source(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    values.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", dtype=np.float32, mode="r", shape=(4, 3))
    out = np.empty((2, 3), dtype=np.float32)
    gather(out, Sources([mapped]), None, np.array([3, 0]))
    np.testing.assert_array_equal(out, values[[3, 0]])


def test_sources_keep_their_arrays() -> None:
    sources = Sources([np.full((1000, 8), float(i), dtype=np.float32) for i in range(5)])
    others = [np.full((1000, 8), -1.0, dtype=np.float32) for _ in range(5)]
    out = np.empty((5, 8), dtype=np.float32)
    gather(out, sources, np.arange(5, dtype=np.int32), np.full(5, 999))
    np.testing.assert_array_equal(out[:, 0], np.arange(5))
    assert len(sources) == len(others)


def test_threads_write_rows_of_one_block() -> None:
    sources = Sources([np.arange(4000, dtype=np.float32).reshape(1000, 4)])
    row = np.random.default_rng(0).permutation(1000)
    out = np.zeros((1000, 4), dtype=np.float32)
    parts = [slice(a, a + 250) for a in range(0, 1000, 250)]
    threads = [threading.Thread(target=gather, args=(out[part], sources, None, row[part])) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(out, sources.arrays[0][row])


@pytest.mark.parametrize(
    ("block", "row"), [([2, 0], [0, 0]), ([-1, 0], [0, 0]), ([0, 1], [0, 3]), ([0, 0], [0, -1]), ([1, 0], [2, 2])]
)
def test_a_wrong_row_is_refused_and_nothing_is_written(block: list[int], row: list[int]) -> None:
    sources = Sources([np.zeros((2, 3), np.float32), np.zeros((3, 3), np.float32)])
    out = np.full((2, 3), 7.0, dtype=np.float32)
    with pytest.raises(IndexError, match=r"there is no row -?\d of source -?\d \(index [01]\)"):
        gather(out, sources, np.array(block, dtype=np.int32), np.array(row))
    assert (out == 7.0).all()


@pytest.mark.parametrize("number", [2**62, -(2**62), 2**31])
def test_a_row_far_away_is_refused(number: int) -> None:
    with pytest.raises(IndexError, match="there is no row"):
        gather(np.empty((1, 3), np.float32), Sources([np.zeros((2, 3), np.float32)]), None, np.array([number]))


def test_shapes_and_types_that_do_not_fit() -> None:
    sources = Sources([np.zeros((2, 3), np.float32)])
    rows = np.zeros(2, np.int64)
    out = np.empty((2, 3), np.float32)
    other = Layout((FeatureBranch("x", "flat", 1, 0.0, 1.0, 0.0, 0.0),)).prepared
    read_only = np.zeros((2, 3), np.float32)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="3 raw columns cannot become an output of"):
        gather(out, sources, None, rows, other)
    with pytest.raises(ValueError, match="3 raw columns cannot become an output of"):
        gather(np.empty((2, 4), np.float32), sources, None, rows)
    with pytest.raises(ValueError, match="the output is float64"):
        gather(np.empty((2, 3)), sources, None, rows)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="do not lie side by side"):
        gather(np.empty((2, 6), np.float32)[:, ::2], sources, None, rows)
    with pytest.raises(ValueError, match="cannot be written"):
        gather(read_only, sources, None, rows)
    with pytest.raises(ValueError, match="rows are int32"):
        gather(out, sources, None, rows.astype(np.int32))
    with pytest.raises(ValueError, match=r"rows are int64 \[1\]"):
        gather(out, sources, None, rows[:1])
    with pytest.raises(ValueError, match="sources are int64"):
        gather(out, sources, rows, rows)  # type: ignore[arg-type]
    wrong: list[list[Any]] = [
        [],
        [np.zeros(3, np.float32)],
        [np.zeros((2, 3))],
        [out, out[:, :2]],
        [np.zeros((3, 2), "f4").T],
    ]
    for arrays in wrong:
        with pytest.raises(ValueError, match=r"at least one array|source \d is"):
            Sources(arrays)
    with pytest.raises(ValueError, match=r"raw columns are \[2, 2\], not \[N, 3\]"):
        Layout((FeatureBranch("x", "jagged", 3, 0.0, 1.0, 0.0, 0.0),)).transform(np.zeros((2, 2), np.float32))
