"""The small parts: awkward to columns, cursors, texts for messages."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors.findings import few
from mlaas4hep.errors.text import first_line
from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers.common import clusters_of
from mlaas4hep.streaming.readers.root.arrays import from_awkward, is_number, native
from mlaas4hep.streaming.readers.tables.cursor import Cursors


def jagged(array: ak.Array) -> Jagged:
    """The jagged column of an array."""
    column = from_awkward(array)
    assert isinstance(column, Jagged)
    assert column.offsets.dtype == np.int64
    return column


LISTS = ak.Array([[1, 2], [], [3]])


def test_numbers_without_a_copy() -> None:
    values = np.arange(5.0)
    assert from_awkward(ak.from_numpy(values)) is not None
    assert np.shares_memory(np.asarray(from_awkward(ak.from_numpy(values))), values)
    content = np.arange(6.0)
    layout = ak.contents.ListOffsetArray(ak.index.Index64(np.array([0, 2, 6])), ak.contents.NumpyArray(content))
    assert np.shares_memory(jagged(ak.Array(layout)).content, content)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (LISTS, [[1, 2], [], [3]]),
        (LISTS[1:], [[], [3]]),
        (LISTS[[2, 0]], [[3], [1, 2]]),
        (LISTS[:, ::-1], [[2, 1], [], [3]]),
        (ak.from_regular(LISTS), [[1, 2], [], [3]]),
        (ak.Array([[1, 2], None, [3]]), [[1, 2], [], [3]]),
        (ak.to_regular(ak.Array([[1, 2], [3, 4]])), [[1, 2], [3, 4]]),
        (ak.Array(np.arange(8).reshape(2, 2, 2)), [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (ak.to_regular(ak.Array([[[1, 2]], [[3, 4]]]), axis=None), [[1, 2], [3, 4]]),
        (ak.Array([[1], [2]])[:0], []),
    ],
)
def test_lists(array: ak.Array, expected: list[list[float]]) -> None:
    assert jagged(array).tolist() == expected


def test_missing_numbers() -> None:
    np.testing.assert_array_equal(np.asarray(from_awkward(ak.Array([1, None]))), [1, np.nan])
    np.testing.assert_array_equal(jagged(ak.Array([[1, None], []])).values, [1, np.nan])


@pytest.mark.parametrize("array", [ak.Array(["a"]), ak.Array([[[1], [2, 3]]]), ak.Array([{"a": 1}])])
def test_what_is_no_column(array: ak.Array) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_awkward(array)


def test_native_and_is_number() -> None:
    assert native(np.array([1, 2], dtype=">i4")).tolist() == [1, 2]
    assert native(np.array([1], dtype=">f8")).dtype.isnative
    assert [is_number(np.dtype(kind)) for kind in ("?", "u1", "f2", "S3", "M8[s]")] == [True, True, True, False, False]


def test_clusters_of() -> None:
    assert clusters_of([0, 5, 5, 3, 12, 10], 10) == (0, 3, 5, 10)
    assert clusters_of([], 0) == (0,)


def test_few() -> None:
    assert few([]) == "none at all"
    assert few(["a", "b"]) == "a, b"
    assert few(["a", "b", "c"], 2) == "a, b and 1 more"


def test_one_line() -> None:
    assert first_line(ValueError("\n\n first \nsecond")) == "first"
    assert first_line(KeyError()) == "KeyError"
    assert len(first_line(ValueError("x" * 999))) == 300


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=9),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(0, 40)), max_size=8),
)
def test_cursors_give_every_range(sizes: list[int], asked: list[tuple[str, int, int]]) -> None:
    total = sum(sizes)
    rows = list(range(total))
    ends = np.cumsum(sizes).tolist()

    def blocks(key: Hashable) -> Iterator[list[str]]:
        for size, end in zip(sizes, ends, strict=True):
            yield [f"{key}{row}" for row in rows[end - size : end]]

    cursors: Cursors[list[str]] = Cursors(blocks)
    for key, one, other in asked:
        start, stop = min(one, other, total), min(max(one, other), total)
        found = [row for block, a, b in cursors.pieces(key, start, stop, last=stop == total) for row in block[a:b]]
        assert found == [f"{key}{row}" for row in rows[start:stop]]
    cursors.close()
