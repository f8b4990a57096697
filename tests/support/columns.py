"""Parts of columns, and columns of parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlaas4hep.features.columns import Column, Jagged

__all__ = ["concatenate", "slice_column"]


def slice_column(column: Column, start: int, stop: int) -> Column:
    """Events ``start`` to ``stop`` of a column, without a copy of the values."""
    if isinstance(column, Jagged):
        return Jagged(column.offsets[start : stop + 1], column.content)
    return column[start:stop]


def concatenate(columns: Sequence[Column]) -> Column:
    """The events of several columns of one kind, one after another."""
    if len(columns) == 1:
        return columns[0]
    jagged = [column for column in columns if isinstance(column, Jagged)]
    if not jagged:
        return np.concatenate([column for column in columns if not isinstance(column, Jagged)])
    if len(jagged) != len(columns):
        msg = "cannot join flat and jagged columns"
        raise TypeError(msg)
    counts = np.concatenate([column.counts for column in jagged])
    return Jagged.from_counts(counts, np.concatenate([column.values for column in jagged]))
