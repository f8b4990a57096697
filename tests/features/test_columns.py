"""Jagged columns against Python lists."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.features.columns import Column, Jagged, length_of, select
from tests.support.columns import slice_column

LISTS = st.lists(st.lists(st.integers(-5, 5), max_size=4), max_size=10)


def test_from_lists() -> None:
    column = Jagged.from_lists([[1.5, 2.0], [], [3.0]])
    assert len(column) == 3
    assert column.offsets.dtype == np.int64
    np.testing.assert_array_equal(column.offsets, [0, 2, 2, 3])
    np.testing.assert_array_equal(column.content, [1.5, 2.0, 3.0])
    np.testing.assert_array_equal(column.counts, [2, 0, 1])


def test_type_of_the_values() -> None:
    assert Jagged.from_lists([[1], [2]]).content.dtype.kind == "i"
    assert Jagged.from_lists([[True], []]).content.dtype == np.bool_
    assert Jagged.from_lists([[], []]).content.dtype == np.float64
    assert Jagged.from_lists([[1], [2]], np.float32).content.dtype == np.float32


def test_from_regular_flattens_further_axes() -> None:
    array = np.arange(12).reshape(2, 3, 2)
    assert Jagged.from_regular(array).tolist() == [list(range(6)), list(range(6, 12))]
    assert len(Jagged.from_regular(np.zeros((0, 3)))) == 0
    assert Jagged.from_regular(np.zeros((2, 0))).tolist() == [[], []]


@given(LISTS, st.integers(0, 10), st.integers(0, 10))
def test_a_slice_knows_only_its_events(lists: list[list[int]], a: int, b: int) -> None:
    start, stop = sorted((min(a, len(lists)), min(b, len(lists))))
    part = slice_column(Jagged.from_lists(lists, np.int64), start, stop)
    assert isinstance(part, Jagged)
    assert part.tolist() == lists[start:stop]
    np.testing.assert_array_equal(part.values, [x for row in lists[start:stop] for x in row])
    packed = part.packed()
    assert packed.tolist() == lists[start:stop]
    assert packed.offsets[0] == 0
    assert packed.offsets[-1] == len(packed.content)


def test_packed_copies_nothing_that_is_packed() -> None:
    column = Jagged.from_lists([[1], [2, 3]])
    assert column.packed() is column


@given(LISTS, st.integers(0, 10), st.data())
def test_select_in_a_slice(lists: list[list[int]], start: int, data: st.DataObject) -> None:
    start = min(start, len(lists))
    part = slice_column(Jagged.from_lists(lists, np.int64), start, len(lists))
    size = len(lists) - start
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=np.bool_)
    chosen = select(part, keep)
    assert isinstance(chosen, Jagged)
    assert chosen.tolist() == [row for row, k in zip(lists[start:], keep, strict=True) if k]


def test_flat_columns() -> None:
    column = np.array([1, 2, 3, 4])
    np.testing.assert_array_equal(select(column, np.array([True, False, True, False])), [1, 3])


def test_number_of_events() -> None:
    columns: dict[str, Column] = {"a": Jagged.from_lists([[1, 2], []]), "b": np.array([1, 2])}
    assert length_of(columns) == 2
    assert length_of({}) == 0
