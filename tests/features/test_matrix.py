"""The feature matrix against Python loops; the transformation against the formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlaas4hep.features.columns import Column, Jagged, select
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.matrix import fill_raw, raw_matrix
from tests.support.columns import concatenate, slice_column

VALUES = st.floats(-1e6, 1e6, width=32) | st.just(math.nan)
LISTS = st.lists(st.lists(VALUES, max_size=5), min_size=1, max_size=12)


def branch(name: str, kind: str, length: int) -> FeatureBranch:
    return FeatureBranch(name, kind, length, 0.0, 1.0, -3.0e38, 0.0)  # type: ignore[arg-type]


def padded(lists: list[list[float]], length: int) -> list[list[float]]:
    return [[*row[:length], *[math.nan] * (length - len(row))] for row in lists]


@given(LISTS, st.integers(1, 4), st.integers(0, 12), st.integers(0, 12))
def test_padding(lists: list[list[float]], length: int, a: int, b: int) -> None:
    start, stop = sorted((min(a, len(lists)), min(b, len(lists))))
    column = slice_column(Jagged.from_lists(lists, np.float64), start, stop)
    flat = np.arange(start, stop, dtype=np.int32)
    found = raw_matrix({"j": column, "n": flat}, [branch("n", "flat", 1), branch("j", "jagged", length)], stop - start)
    assert found.dtype == np.float32
    expected = np.array(padded(lists[start:stop], length), dtype=np.float32).reshape(stop - start, length)
    np.testing.assert_array_equal(found[:, 0], flat)
    np.testing.assert_array_equal(found[:, 1:], expected)


@given(LISTS, st.data())
def test_select_and_join(lists: list[list[float]], data: st.DataObject) -> None:
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(lists), max_size=len(lists))))
    column = Jagged.from_lists(lists, np.float64)
    chosen = select(column, keep)
    assert isinstance(chosen, Jagged)
    np.testing.assert_equal(chosen.tolist(), [row for row, k in zip(lists, keep, strict=True) if k])
    cut = len(lists) // 2
    joined = concatenate([slice_column(column, 0, cut), slice_column(column, cut, len(lists))])
    assert isinstance(joined, Jagged)
    np.testing.assert_equal(joined.tolist(), lists)


def layout(*, nan: bool = False, mask: bool = False) -> Layout:
    return Layout((FeatureBranch("x", "jagged", 2, 10.0, 0.5, -0.5, -1.0),), missing=(-999.0,), nan=nan, mask=mask)


RAW = np.array([[12.0, math.nan], [-999.0, 9.0], [math.inf, 2.0]], dtype=np.float32)


def test_transform_fills_and_floors() -> None:
    expected = [[1.0, -1.0], [-1.0, -0.5], [-1.0, -0.5]]
    np.testing.assert_array_equal(layout().transform(RAW), np.array(expected, dtype=np.float32))


def test_transform_leaves_nan_to_models_that_know_it() -> None:
    expected = [[1.0, math.nan], [math.nan, -0.5], [math.nan, -4.0]]
    np.testing.assert_array_equal(layout(nan=True).transform(RAW), np.array(expected, dtype=np.float32))


def test_transform_appends_the_mask() -> None:
    found = layout(mask=True).transform(RAW)
    np.testing.assert_array_equal(found[:, 2:], [[1, 0], [0, 1], [0, 1]])
    assert layout(mask=True).model_width == found.shape[1] == 4


def test_columns_are_named_by_branch_and_index() -> None:
    mixed = Layout((branch("a", "flat", 1), branch("b", "jagged", 2), branch("c", "jagged", 1)))
    assert mixed.columns == ("a", "b[0]", "b[1]", "c[0]")


DTYPES = ["f2", "f4", ">f4", "f8", ">f8", "i1", "u1", "i2", "u2", "i4", ">i4", "u4", "i8", "u8", "?"]


@given(st.data(), st.lists(st.integers(0, 4), min_size=1, max_size=8), st.integers(1, 3))
def test_any_events_of_any_type_in_any_order(data: st.DataObject, counts: list[int], length: int) -> None:
    events, total = len(counts), sum(counts)
    kinds = [data.draw(st.sampled_from(DTYPES)) for _ in range(3)]
    flat, wide, items = (
        data.draw(hnp.arrays(kind, size)) for kind, size in zip(kinds, (events, 2 * events, total), strict=True)
    )
    columns: dict[str, Column] = {"x": flat, "y": wide[::2], "j": Jagged.from_counts(np.array(counts), items)}
    branches = [branch("j", "jagged", length), branch("x", "flat", 1), branch("y", "flat", 1)]
    chosen = data.draw(st.lists(st.integers(0, events - 1), max_size=12))
    out = np.full((len(chosen), length + 4), 5.0, dtype=np.float32)
    fill_raw(out, columns, branches, np.array(chosen, dtype=np.int64))
    with np.errstate(all="ignore"):
        for row, event in zip(out, chosen, strict=True):
            first = sum(counts[:event])
            values = [np.float32(value) for value in items[first : first + min(counts[event], length)]]
            values += [np.float32(np.nan)] * (length - len(values))
            values += [np.float32(flat[event]), np.float32(wide[2 * event]), np.float32(5.0), np.float32(5.0)]
            np.testing.assert_array_equal(row, np.array(values))
            zeros = row == 0.0
            np.testing.assert_array_equal(np.signbit(row[zeros]), np.signbit(np.array(values)[zeros]))


@given(LISTS, st.data())
def test_a_mask_or_positions_choose_the_same_as_select(lists: list[list[float]], data: st.DataObject) -> None:
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(lists), max_size=len(lists))))
    column = Jagged.from_lists(lists, np.float64)
    branches = [branch("j", "jagged", 3)]
    expected = np.array(padded([row for row, k in zip(lists, keep, strict=True) if k], 3), dtype=np.float32)
    for index in (keep, np.flatnonzero(keep), np.flatnonzero(keep).astype(np.uint8)):
        found = raw_matrix({"j": column}, branches, len(lists), index)
        np.testing.assert_array_equal(found, expected.reshape(-1, 3))


def test_more_events_than_a_tile_has() -> None:
    generator = np.random.default_rng(3)
    counts = generator.integers(0, 9, 3000)
    values = generator.normal(size=int(counts.sum()))
    columns: dict[str, Column] = {"j": Jagged.from_counts(counts, values), "x": np.arange(3000)}
    branches = [branch("x", "flat", 1), branch("j", "jagged", 300)]
    expected = np.full((3000, 301), np.nan, dtype=np.float32)
    expected[:, 0] = np.arange(3000)
    at = 0
    for row, n in zip(expected, counts, strict=True):
        row[1 : 1 + n] = values[at : at + n]
        at += n
    np.testing.assert_array_equal(raw_matrix(columns, branches, 3000), expected)
    for index in (generator.permutation(3000), np.arange(0, 3000, 2)):
        block = np.zeros((2 * len(index), 400), dtype=np.float32)
        fill_raw(block[::2, 50:351], columns, branches, index)
        np.testing.assert_array_equal(block[::2, 50:351], expected[index])
        assert not block[1::2].any()
        assert not block[:, :50].any()
        assert not block[:, 351:].any()


def test_no_events_and_no_branches() -> None:
    columns: dict[str, Column] = {"j": Jagged.from_lists([]), "x": np.zeros(0)}
    assert raw_matrix(columns, [branch("j", "jagged", 2), branch("x", "flat", 1)], 0).shape == (0, 3)
    assert raw_matrix({}, [], 4).shape == (4, 0)
    assert raw_matrix({"j": Jagged.from_lists([[], []])}, [branch("j", "jagged", 0)], 2).shape == (2, 0)


@pytest.mark.parametrize("index", [[3], [-1], [0, 2**40], [-(2**62)]])
def test_an_event_that_is_not_there(index: list[int]) -> None:
    columns: dict[str, Column] = {"j": Jagged.from_lists([[1.0], [], [2.0]])}
    out = np.full((len(index), 2), 7.0, dtype=np.float32)
    with pytest.raises(IndexError, match="positions of events must be 0 to 2"):
        fill_raw(out, columns, [branch("j", "jagged", 2)], np.array(index))
    assert (out == 7.0).all()


def test_columns_that_do_not_fit() -> None:
    columns: dict[str, Column] = {"x": np.zeros(3), "y": np.zeros(2), "j": Jagged(np.array([0, 2, 9]), np.zeros(4))}
    out = np.empty((3, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="y has 2 events, not 3"):
        fill_raw(out, columns, [branch("x", "flat", 1), branch("y", "flat", 1)])
    with pytest.raises(ValueError, match="x has 3 events, not 4"):
        raw_matrix(columns, [branch("x", "flat", 1)], 4)
    with pytest.raises(ValueError, match="3 events for 2 rows"):
        fill_raw(out[:2], columns, [branch("x", "flat", 1)])
    with pytest.raises(ValueError, match="by bool"):
        fill_raw(out, columns, [branch("x", "flat", 1)], np.ones(4, dtype=np.bool_))
    for offsets in ([0, 2, 9], [0, 3, 2], [0, -1, 4]):
        lists = Jagged(np.array(offsets), np.zeros(4))
        with pytest.raises(ValueError, match="j: the offsets of its lists do not belong to its values"):
            fill_raw(out[:2], {"j": lists}, [branch("j", "jagged", 2)])
