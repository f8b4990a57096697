"""The feature matrix against Python loops; the transformation against the formula."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.features.columns import Jagged, concatenate, select, slice_column
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.matrix import raw_matrix

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
