"""Rows from several blocks in any order into one block, transformed for the model on the way: one pass over memory.

The arithmetic of `Layout.transform` stands here, for one row as for a billion: every result is the same bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.compiled import address_of, carray, compiled, pointer, prefetch, rows_of_output

__all__ = ["Sources", "Transform", "gather"]

_AT_ONCE = 4  # values that mean missing and are looked for in the main loop
_AHEAD = 4096  # bytes of rows, beyond the next one, that are asked for before they are read
_LINE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Transform:
    """What is done to raw columns, as arrays.

    Attributes:
        width: number D of raw columns.
        mask: true if D more columns follow, 1.0 where the value is real and 0.0 where it is missing.
        numbers: offset, scale, floor and fill of each column, float32 [4, D], each beginning with a line of the
            processor's cache. Where the model understands NaN the floor is -inf, which changes nothing, and the fill
            NaN.
        missing: values that mean missing, float32 [0, 4 or more]; NaN, which equals nothing, where there are fewer.
        exempt: columns in which no number means missing, as they count from an origin, int64 [0 or more].
    """

    width: int
    mask: bool
    numbers: NDArray[np.float32]
    missing: NDArray[np.float32]
    exempt: NDArray[np.int64]

    @staticmethod
    def of(
        width: int,
        numbers: Sequence[NDArray[np.float32]],
        missing: Sequence[float],
        exempt: NDArray[np.bool_],
        *,
        mask: bool,
        nan: bool,
    ) -> Transform:
        """Make one from offset, scale, floor and fill of each column.

        Args:
            width: number D of raw columns.
            numbers: the four, each float32 [D].
            missing: values that mean missing.
            exempt: true for columns in which none of them does, bool [D].
            mask: D more columns say where a value is real.
            nan: the model understands NaN.
        """
        offset, scale, floor, fill = numbers
        if nan:
            floor, fill = np.full_like(floor, -np.inf), np.full_like(fill, np.nan)
        count = len(missing)
        padded = np.full(max(_AT_ONCE, count) if count else 0, np.nan, dtype=np.float32)
        with np.errstate(over="ignore"):
            padded[:count] = missing
        left_out = np.flatnonzero(exempt) if count else np.empty(0, dtype=np.int64)
        return Transform(width, mask, _in_lines([offset, scale, floor, fill]), padded, left_out)

    @property
    def model_width(self) -> int:
        """Number of columns the model sees: D, or 2 D with the mask."""
        return self.width * 2 if self.mask else self.width

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Raw columns, [N, D], to what the model sees, float32 [N, model_width].

        Raises:
            ValueError: another number of columns.
        """
        rows = np.ascontiguousarray(raw, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.width:
            msg = f"raw columns are {list(raw.shape)}, not [N, {self.width}]"
            raise ValueError(msg)
        out = np.empty((len(rows), self.model_width), dtype=np.float32)
        _transform(address_of(out), 4 * self.model_width, len(rows), 0, address_of(rows), *self._parts())
        return out

    def _parts(self) -> tuple[int, int, int, int, int, int, int, int]:
        """What the loop needs of it. Never kept: they are of this process."""
        table = address_of(self.numbers), self.numbers.strides[0]
        lists = address_of(self.missing), len(self.missing), address_of(self.exempt), len(self.exempt)
        return self.width, *table, *lists, int(self.mask)


def _in_lines(rows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Rows of the same length as one array, each beginning with a line of the cache."""
    length = len(rows[0])
    step = -(-4 * length // _LINE) * _LINE // 4
    memory = np.zeros(len(rows) * step + _LINE // 4, dtype=np.float32)
    first = -address_of(memory) % _LINE // 4
    table = memory[first : first + len(rows) * step].reshape(len(rows), step)[:, :length]
    for place, row in zip(table, rows, strict=True):
        place[:] = row
    return table


class Sources:
    """Blocks of raw rows from which rows are gathered; they live as long as this object.

    Args:
        arrays: at least one, each float32 [*, D], C-contiguous; memory maps and read-only arrays too.

    Raises:
        ValueError: an array is something else, or they differ in D.
    """

    def __init__(self, arrays: Sequence[NDArray[np.float32]]) -> None:
        self.arrays = tuple(arrays)
        if not self.arrays or self.arrays[0].ndim != 2:
            msg = "rows are gathered from at least one array [rows, columns]"
            raise ValueError(msg)
        self.width: int = self.arrays[0].shape[1]
        for number, array in enumerate(self.arrays):
            if array.dtype != np.float32 or array.ndim != 2 or array.shape[1] != self.width:
                msg = f"source {number} is {array.dtype} {list(array.shape)}, not float32 [rows, {self.width}]"
                raise ValueError(msg)
            if not (array.flags.c_contiguous and array.flags.aligned):
                msg = f"source {number} is not contiguous"
                raise ValueError(msg)
        self.table: NDArray[np.int64] = np.array([[address_of(a), len(a)] for a in self.arrays], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.arrays)


def gather(
    out: NDArray[np.float32],
    sources: Sources,
    block: NDArray[np.int32] | None,
    row: NDArray[np.int64],
    transform: Transform | None = None,
) -> None:
    """Write row ``row[j]`` of source ``block[j]`` into row j of the output, transformed if so wanted.

    Releases the GIL: several threads may write different rows at the same time. With a wrong index nothing is written.

    Args:
        out: float32 [n, model_width] ([n, D] without transformation) that shares no memory with the sources; the
            columns of a row lie side by side.
        sources: where the rows are.
        block: number of the source of each row, int32 [n]; None: all from the first.
        row: number of the row in its source, int64 [n].
        transform: what is done to the raw values; None: nothing.

    Raises:
        IndexError: there is no such source or row.
        ValueError: shapes or dtypes do not fit.
    """
    width = sources.width if transform is None else transform.model_width
    if (transform is not None and transform.width != sources.width) or out.shape[1:] != (width,):
        msg = f"{sources.width} raw columns cannot become an output of {list(out.shape)}"
        raise ValueError(msg)
    address, stride = rows_of_output(out, width)
    if row.dtype != np.int64 or row.shape != out.shape[:1]:
        msg = f"rows are {row.dtype} {list(row.shape)}, not int64 [{len(out)}]"
        raise ValueError(msg)
    if block is not None and (block.dtype != np.int32 or block.shape != row.shape):
        msg = f"sources are {block.dtype} {list(block.shape)}, not int32 [{len(out)}]"
        raise ValueError(msg)
    rows = np.ascontiguousarray(row)
    blocks = np.zeros(len(rows), dtype=np.int32) if block is None else np.ascontiguousarray(block)
    addresses = np.empty(len(rows), dtype=np.int64)
    wrong = _locate(
        address_of(addresses), len(rows), address_of(sources.table), len(sources), address_of(blocks), address_of(rows),
        4 * sources.width,
    )  # fmt: skip
    if wrong >= 0:
        msg = f"there is no row {rows[wrong]} of source {blocks[wrong]} (index {wrong})"
        raise IndexError(msg)
    if transform is None:
        _copy(address, stride, len(rows), address_of(addresses), sources.width)
    else:
        _transform(address, stride, len(rows), address_of(addresses), 0, *transform._parts())


@compiled
def _locate(out: int, size: int, table: int, sources: int, block: int, row: int, stride: int) -> int:
    """Write the address of each row, int64 [size]; the first index for which there is none, -1 if there is no such."""
    addresses = carray(pointer(out), (size,), np.int64)
    blocks = carray(pointer(block), (size,), np.int32)
    rows = carray(pointer(row), (size,), np.int64)
    blocks_there = carray(pointer(table), (sources, 2), np.int64)
    for j in range(size):
        b = blocks[j]
        if b < 0 or b >= sources or rows[j] < 0 or rows[j] >= blocks_there[b, 1]:
            return j
        addresses[j] = blocks_there[b, 0] + rows[j] * stride
    return -1


@compiled
def _copy(out: int, stride: int, size: int, rows: int, width: int) -> None:
    """Copy rows of 32-bit words from the addresses in ``rows``, int64 [size]."""
    addresses = carray(pointer(rows), (size,), np.int64)
    ahead = 1 + _AHEAD // max(4 * width, _LINE)
    for j in range(size):
        if j + ahead < size:
            for byte in range(0, 4 * width, _LINE):
                prefetch(addresses[j + ahead] + byte)
        raw = carray(pointer(addresses[j]), (width,), np.uint32)
        to = carray(pointer(out + j * stride), (width,), np.uint32)
        for k in range(width):
            to[k] = raw[k]


@compiled
def _scaled(value: float, offset: float, scale: float, floor: float) -> float:
    """The maximum is that of x86: the floor where both are equal, the scaled value where it is NaN."""
    x = (value - offset) * scale
    return x if (x > floor or x != x) else floor  # noqa: PLR0124


@compiled
def _transform(
    out: int, stride: int, size: int, rows: int, base: int, width: int, numbers: int, step: int, missing: int,
    sentinels: int, exempt: int, exempted: int, mask: int,
) -> None:  # fmt: skip
    """Transform rows of float32 from the addresses in ``rows``, int64 [size], or (if that is 0) from ``base`` on.

    ``numbers`` has rows of ``step`` bytes.
    """
    addresses = carray(pointer(rows), (size,), np.int64)
    offset = carray(pointer(numbers), (width,), np.float32)
    scale = carray(pointer(numbers + step), (width,), np.float32)
    floor = carray(pointer(numbers + 2 * step), (width,), np.float32)
    fill = carray(pointer(numbers + 3 * step), (width,), np.float32)
    absent = carray(pointer(missing), (sentinels,), np.float32)
    free = carray(pointer(exempt), (exempted,), np.int64)
    infinity = np.float32(np.inf)
    a = b = c = d = np.float32(np.nan)
    if sentinels:
        a, b, c, d = absent[0], absent[1], absent[2], absent[3]
    ahead = 1 + _AHEAD // max(4 * width, _LINE)
    for j in range(size):
        if rows != 0 and j + ahead < size:
            for byte in range(0, 4 * width, _LINE):
                prefetch(addresses[j + ahead] + byte)
        at = addresses[j] if rows != 0 else base + j * 4 * width
        raw = carray(pointer(at), (width,), np.float32)
        to = carray(pointer(out + j * stride), (width,), np.float32)
        if sentinels == 0:
            for k in range(width):
                x = _scaled(raw[k], offset[k], scale[k], floor[k])
                to[k] = x if abs(raw[k]) < infinity else fill[k]
        else:
            for k in range(width):
                v = raw[k]
                x = _scaled(v, offset[k], scale[k], floor[k])
                real = (abs(v) < infinity) & (v != a) & (v != b) & (v != c) & (v != d)
                to[k] = x if real else fill[k]
        for s in range(4, sentinels):
            for k in range(width):
                to[k] = fill[k] if raw[k] == absent[s] else to[k]
        for f in range(exempted):
            k = free[f]
            x = _scaled(raw[k], offset[k], scale[k], floor[k])
            to[k] = x if abs(raw[k]) < infinity else fill[k]
        if mask != 0:
            flags = carray(pointer(out + j * stride + 4 * width), (width,), np.float32)
            for k in range(width):
                v = raw[k]
                real = (abs(v) < infinity) & (v != a) & (v != b) & (v != c) & (v != d)
                flags[k] = np.float32(1.0) if real else np.float32(0.0)
            for s in range(4, sentinels):
                for k in range(width):
                    flags[k] = np.float32(0.0) if raw[k] == absent[s] else flags[k]
            for f in range(exempted):
                flags[free[f]] = np.float32(1.0) if abs(raw[free[f]]) < infinity else np.float32(0.0)
