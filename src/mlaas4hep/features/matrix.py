"""Columns of events into one float32 matrix, jagged lists padded with NaN.

Rows are written in tiles that fit into a core's cache, all branches inside a tile: the memory of the matrix is touched
once, although the values come branch by branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Columns, Jagged, length_of
from mlaas4hep.features.compiled import (
    address_of,
    address_of_vector,
    carray,
    compiled,
    pointer,
    positions,
    rows_of_output,
)
from mlaas4hep.features.layout import FeatureBranch
from mlaas4hep.features.statistics.origin import from_origin

__all__ = ["fill_raw", "raw_matrix"]

TILE_BYTES = 1 << 18
_BAD_INDEX = -2
_FIELDS = 6  # of a branch: address of values, address of offsets (0: flat), columns, first column, start, values


def raw_matrix(
    columns: Columns,
    branches: Sequence[FeatureBranch],
    events: int,
    index: NDArray[Any] | None = None,
    missing: Sequence[float] = (),
) -> NDArray[np.float32]:
    """Raw feature columns: values as they are, or from the branch's origin; NaN beyond the end of a list.

    Args:
        columns: one for each of `branches`, each of ``events`` events.
        branches: in the order of the feature columns.
        events: number N of events.
        index: as for `fill_raw`; then N is the number of chosen events.
        missing: as for `fill_raw`.

    Returns:
        float32 [N, D].

    Raises:
        ValueError, IndexError: as `fill_raw`.
    """
    chosen = np.arange(events) if index is None else positions(index, events)
    out = np.empty((len(chosen), sum([branch.length for branch in branches])), dtype=np.float32)
    _fill_checked(out, columns, branches, chosen, events, missing)
    return out


def fill_raw(
    out: NDArray[np.float32],
    columns: Columns,
    branches: Sequence[FeatureBranch],
    index: NDArray[Any] | None = None,
    missing: Sequence[float] = (),
) -> None:
    """Write the raw feature columns of some events into a block, or into rows of a larger one.

    Args:
        out: float32 [n, D or more]; the columns of a row lie side by side. Columns beyond D are left alone.
        columns: one for each of `branches`; all of the same number of events.
        branches: in the order of the feature columns.
        index: the n events: positions in the columns, integers [n] in any order, also repeated, or a mask, bool
            [events]. None: all events, one after another.
        missing: values that mean missing: they become NaN in branches with an origin, and are left to
            `Layout.transform` in all others.

    Raises:
        ValueError: columns of different numbers of events, lists beyond the values there are, an output of another
            shape or dtype.
        IndexError: an event that the columns do not have; nothing is written then.
    """
    events = length_of({branch.name: columns[branch.name] for branch in branches[:1]}) if branches else len(out)
    chosen = np.arange(events) if index is None else positions(index, events)
    if len(chosen) != len(out):
        msg = f"{len(chosen)} events for {len(out)} rows"
        raise ValueError(msg)
    _fill_checked(out, columns, branches, chosen, events, missing)


def _fill_checked(
    out: NDArray[np.float32],
    columns: Columns,
    branches: Sequence[FeatureBranch],
    index: NDArray[np.int64],
    events: int,
    missing: Sequence[float],
) -> None:
    table, width, kept = _table(columns, branches, events, missing)
    address, stride = rows_of_output(out, width)
    tile = max(1, TILE_BYTES // max(4 * width, 1))
    failed = _fill(address, stride, len(index), address_of(table), len(branches), address_of(index), events, tile)
    del kept  # whose addresses were used until here
    if failed == _BAD_INDEX:
        msg = f"positions of events must be 0 to {events - 1}"
        raise IndexError(msg)
    if failed >= 0:
        msg = f"{branches[failed].name}: the offsets of its lists do not belong to its values"
        raise ValueError(msg)


def _table(
    columns: Columns, branches: Sequence[FeatureBranch], events: int, missing: Sequence[float]
) -> tuple[NDArray[np.int64], int, list[NDArray[Any]]]:
    """What the loop must know of each branch, int64 [branches, 6]; D; the arrays whose addresses stand in the table."""
    rows: list[int] = []
    kept: list[NDArray[Any]] = []
    at = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for branch in branches:
            column = columns[branch.name]
            found = len(column)
            place = start = 0
            if isinstance(column, Jagged):
                offsets = np.ascontiguousarray(column.offsets, dtype=np.int64)
                kept.append(offsets)
                place, start = address_of_vector(offsets), int(offsets[0])
                column = column.values
            if found != events:
                msg = f"{branch.name} has {found} events, not {events}"
                raise ValueError(msg)
            shifted = from_origin(column, branch.origin, missing) if branch.origin else column
            values = np.ascontiguousarray(shifted, dtype=np.float32)
            kept.append(values)
            rows += (address_of_vector(values), place, branch.length, at, start, len(values))
            at += branch.length
    return np.array(rows, dtype=np.int64), at, kept


@compiled
def _fill(out: int, stride: int, size: int, table: int, branches: int, index: int, events: int, tile: int) -> int:
    """Write ``size`` rows; -1, or the branch whose offsets are wrong, or -2 for a wrong index (nothing is written).

    Values are moved as bit patterns. Where the memory of the values goes on, as many as there are columns are read and
    those beyond the end of the list are replaced, which needs no loop of varying length.
    """
    chosen = carray(pointer(index), (size,), np.int64)
    fields = carray(pointer(table), (branches, _FIELDS), np.int64)
    nan = np.uint32(0x7FC00000)
    ascending = True
    for j in range(size):
        if chosen[j] < 0 or chosen[j] >= events:
            return _BAD_INDEX
        if j > 0 and chosen[j] < chosen[j - 1]:
            ascending = False
    if not ascending:  # the values of one branch fit into the cache, those of all branches do not
        tile = max(size, 1)
    for begin in range(0, size, tile):
        end = min(begin + tile, size)
        for b in range(branches):
            length = fields[b, 2]
            start = fields[b, 4]
            count = fields[b, 5]
            at = out + 4 * fields[b, 3]
            values = carray(pointer(fields[b, 0]), (count,), np.uint32)
            if fields[b, 1] == 0:
                for j in range(begin, end):
                    carray(pointer(at + j * stride), (1,), np.uint32)[0] = values[chosen[j]]
                continue
            offsets = carray(pointer(fields[b, 1]), (events + 1,), np.int64)
            for j in range(begin, end):
                row = carray(pointer(at + j * stride), (length,), np.uint32)
                first = offsets[chosen[j]] - start
                n = offsets[chosen[j] + 1] - start - first
                if first < 0 or n < 0 or first + n > count:
                    return b
                if first + length <= count:
                    for k in range(length):
                        value = values[first + k]
                        row[k] = value if k < n else nan
                else:
                    for k in range(length):
                        row[k] = values[first + k] if k < n else nan
    return -1
