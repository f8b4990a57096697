"""The two shapes a branch can have in memory: flat (one value an event) and jagged (a list an event).

A flat column is a one-dimensional numpy array. A jagged column is a `Jagged`: the values of all events one after
another and the offsets where each event begins. Nothing here knows where the data came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column", "Columns", "Jagged", "length_of", "select"]

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Jagged:
    """Lists of numbers of varying length, one list an event.

    Attributes:
        offsets: int64, shape [events + 1], not decreasing; event ``i`` owns ``content[offsets[i]:offsets[i + 1]]``.
        content: the values, shape [offsets[-1]] or longer, any numeric or boolean dtype.
    """

    offsets: NDArray[np.int64]
    content: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Length of each event's list, int64 [events]."""
        return np.diff(self.offsets)

    @property
    def values(self) -> Array:
        """The values of these events only, without what lies before the first or after the last offset."""
        return self.content[self.offsets[0] : self.offsets[-1]]

    def packed(self) -> Jagged:
        """Return the same lists with offsets that begin at 0 and a content of exactly their size."""
        if self.offsets[0] == 0 and self.offsets[-1] == len(self.content):
            return self
        return Jagged(self.offsets - self.offsets[0], self.values)

    def tolist(self) -> list[list[Any]]:
        """Python lists, for tests and messages."""
        return [self.content[a:b].tolist() for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)]

    @staticmethod
    def from_lists(lists: Iterable[Sequence[Any]], dtype: Any = None) -> Jagged:
        """From Python lists, one an event.

        Example:
            >>> Jagged.from_lists([[1.0, 2.0], []]).counts
            array([2, 0])
        """
        rows = list(lists)
        counts = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
        flat = [value for row in rows for value in row]
        content = np.asarray(flat, dtype=dtype if dtype is not None or flat else np.float64)
        return Jagged.from_counts(counts, content)

    @staticmethod
    def from_counts(counts: NDArray[np.integer[Any]], content: Array) -> Jagged:
        """From the length of each list (integers [events]) and all values."""
        offsets = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        return Jagged(offsets, content)

    @staticmethod
    def from_regular(array: Array) -> Jagged:
        """From a fixed-size array branch, shape [events, n] (further axes are flattened)."""
        events = len(array)
        width = int(np.prod(array.shape[1:], dtype=np.int64))
        return Jagged(np.arange(events + 1, dtype=np.int64) * width, np.ascontiguousarray(array).reshape(-1))


Column: TypeAlias = Array | Jagged
Columns: TypeAlias = Mapping[str, Column]


def length_of(columns: Columns) -> int:
    """Return the number of events in a set of columns; 0 for none."""
    return next((len(column) for column in columns.values()), 0)


def select(column: Column, keep: NDArray[np.bool_]) -> Column:
    """Return the events where ``keep`` (bool [events]) is true."""
    if isinstance(column, Jagged):
        counts = column.counts
        return Jagged.from_counts(counts[keep], column.values[np.repeat(keep, counts)])
    return column[keep]
