"""Columns of events into one float32 matrix, jagged lists padded with NaN."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Columns, Jagged
from mlaas4hep.features.layout import FeatureBranch

__all__ = ["raw_matrix"]


@numba.njit(nogil=True, cache=True)
def _pad(out: NDArray[np.float32], offsets: NDArray[np.int64], content: NDArray[np.float32], start: int) -> None:
    """Write the lists into ``out`` [N, length]; list ``i`` begins at ``offsets[i] - start`` of the content."""
    length = out.shape[1]
    for i in range(out.shape[0]):
        first = offsets[i] - start
        n = min(offsets[i + 1] - offsets[i], length)
        for k in range(n):
            out[i, k] = content[first + k]
        for k in range(n, length):
            out[i, k] = np.nan


def raw_matrix(columns: Columns, branches: Sequence[FeatureBranch], events: int) -> NDArray[np.float32]:
    """Raw feature columns: values as they are, NaN beyond the end of a list.

    Args:
        columns: one for each of `branches`, each of ``events`` events.
        branches: in the order of the feature columns.
        events: number N of events.

    Returns:
        float32 [N, D].
    """
    out = np.empty((events, sum(branch.length for branch in branches)), dtype=np.float32)
    at = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for branch in branches:
            column = columns[branch.name]
            if isinstance(column, Jagged):
                values = np.ascontiguousarray(column.values, dtype=np.float32)
                _pad(out[:, at : at + branch.length], column.offsets, values, int(column.offsets[0]))
            else:
                out[:, at] = column
            at += branch.length
    return out
