"""What an entry holds: ranges of rows, the matrix and the columns; and where each lies in the file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["ALIGNMENT", "MATRIX", "Shape", "aligned"]

ALIGNMENT = 64
MATRIX = "x"
_KINDS = "biufSU"


def aligned(size: int) -> int:
    """Return the next multiple of the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, init=False)
class Shape:
    """Sizes and types of an entry.

    In the file the data of one range lie together: the float32 matrix ``x`` [n, width] row by row, then the columns [n]
    in alphabetical order, each from a multiple of 64 bytes on.

    Args:
        ranges: rows of each range.
        columns: dtype of each column beside the matrix, in this machine's byte order: booleans, numbers, fixed strings.
        width: columns of the matrix.

    Raises:
        ValueError: a negative size, a column named ``x``, or a dtype that is not plain memory.
    """

    ranges: tuple[int, ...]
    columns: tuple[tuple[str, np.dtype[Any]], ...]
    width: int

    def __init__(self, ranges: Sequence[int], columns: Mapping[str, DTypeLike], width: int) -> None:
        dtypes = {name: np.dtype(dtype) for name, dtype in sorted(columns.items())}
        wrong = [
            name
            for name, dtype in dtypes.items()
            if dtype.kind not in _KINDS or not dtype.isnative or not dtype.itemsize
        ]
        if wrong:
            msg = f"column {wrong[0]!r} is {dtypes[wrong[0]]}: only native booleans, numbers and fixed strings are kept"
            raise ValueError(msg)
        if MATRIX in dtypes:
            msg = f"{MATRIX!r} is the matrix; name the column otherwise"
            raise ValueError(msg)
        if width < 0 or any(rows < 0 for rows in ranges):
            msg = "sizes are not negative"
            raise ValueError(msg)
        object.__setattr__(self, "ranges", tuple(int(rows) for rows in ranges))
        object.__setattr__(self, "columns", tuple(dtypes.items()))
        object.__setattr__(self, "width", int(width))

    @property
    def rows(self) -> int:
        """Rows of all ranges."""
        return sum(self.ranges)

    @property
    def names(self) -> tuple[str, ...]:
        """The matrix and the columns as they lie in each range."""
        return (MATRIX, *(name for name, _ in self.columns))

    @cached_property
    def nbytes(self) -> int:
        """Bytes of the data of all ranges; the head of a file comes on top."""
        return self._starts[-1]

    @cached_property
    def description(self) -> bytes:
        """The shape as canonical JSON."""
        columns = [[name, dtype.str] for name, dtype in self.columns]
        parts = {"byteorder": sys.byteorder, "columns": columns, "ranges": self.ranges, "width": self.width}
        return json.dumps(parts, sort_keys=True, separators=(",", ":")).encode("ascii")

    def span(self, number: int) -> tuple[int, int]:
        """First byte of a range and the one after its last, counted from the first range."""
        return self._starts[number], self._starts[number + 1]

    def pieces(self, number: int) -> list[tuple[str, np.dtype[Any], tuple[int, ...], int]]:
        """Name, dtype, shape and first byte, counted from the range's, of the matrix and each column."""
        rows, found, start = self.ranges[number], [], 0
        for name, dtype, dimensions in self._kinds:
            shape = (rows, *dimensions)
            found.append((name, dtype, shape, start))
            start += aligned(dtype.itemsize * prod(shape))
        return found

    def check(self, number: int, arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the arrays of a range in the order of the file, C-contiguous.

        Raises:
            ValueError: no such range, or names, shapes or dtypes are others than promised.
        """
        if not 0 <= number < len(self.ranges):
            msg = f"there is no range {number} among {len(self.ranges)}"
            raise ValueError(msg)
        if set(arrays) != set(self.names):
            msg = f"range {number} has {sorted(arrays)}, promised were {sorted(self.names)}"
            raise ValueError(msg)
        for name, dtype, shape, _ in self.pieces(number):
            array = arrays[name]
            if array.dtype != dtype or array.shape != shape:
                msg = f"{name!r} of range {number} is {array.dtype} {array.shape}, promised was {dtype} {shape}"
                raise ValueError(msg)
        return [np.ascontiguousarray(arrays[name]) for name in self.names]

    @property
    def _kinds(self) -> list[tuple[str, np.dtype[Any], tuple[int, ...]]]:
        return [(MATRIX, np.dtype(np.float32), (self.width,)), *((name, dtype, ()) for name, dtype in self.columns)]

    @cached_property
    def _starts(self) -> list[int]:
        row = [dtype.itemsize * (dimensions[0] if dimensions else 1) for _, dtype, dimensions in self._kinds]
        return list(accumulate((sum(aligned(rows * size) for size in row) for rows in self.ranges), initial=0))
