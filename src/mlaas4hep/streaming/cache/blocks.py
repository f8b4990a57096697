"""The ranges of one open file: written with pwrite, read as memory maps or into buffers, and verified."""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.streaming.cache.descriptor import Descriptor, read_at, write_at
from mlaas4hep.streaming.cache.head import Damaged, Table, checksum, file_size, head_size
from mlaas4hep.streaming.cache.shape import ALIGNMENT, Shape

__all__ = ["Arrays", "Blocks"]

Arrays: TypeAlias = dict[str, NDArray[Any]]
"""Of one range: ``x``, float32 [n, D], and the columns by name, each [n]; all read-only."""

_PAGE = mmap.ALLOCATIONGRANULARITY
_POPULATE_READ = 22  # MADV_POPULATE_READ: all pages at once, which costs less than a fault for each few of them


class Blocks:
    """Reads and writes the ranges of an entry's file.

    A memory map costs no copy, and shows what the file holds at the moment of access. Deleting or replacing the file
    does it no harm on a local file system. Who overwrites the file in place changes data that were verified before, and
    who cuts it off makes the next access a SIGBUS; the size is checked before each reading, which leaves the time in
    which the arrays are used. Buffers have neither weakness: their bytes are copied, then verified, at each reading.

    Args:
        descriptor: of the file, which has its full size already.
        shape: of the entry.
        mapped: memory maps; otherwise, and where the file cannot be mapped, buffers.
    """

    def __init__(self, descriptor: Descriptor, shape: Shape, *, mapped: bool) -> None:
        self._descriptor = descriptor
        self._shape = shape
        self._head = head_size(shape)
        self._size = file_size(shape)
        self._verified = bytearray(len(shape.ranges))
        self._map: mmap.mmap | None = None
        if mapped:
            # ValueError: somebody cut the file off since its size was checked; buffers will find out without SIGBUS.
            with suppress(OSError, ValueError), descriptor.use() as number:
                self._map = mmap.mmap(number, self._size, access=mmap.ACCESS_READ)

    def write(self, number: int, arrays: Sequence[NDArray[Any]]) -> list[int]:
        """Write one range.

        Args:
            number: of the range.
            arrays: as `Shape.check` gives them.

        Returns:
            Their checksums.

        Raises:
            OSError: the system refuses.
        """
        begin = self._head + self._shape.span(number)[0]
        sums: list[int] = []
        with self._descriptor.use() as descriptor:
            for array, (_, _, _, start) in zip(arrays, self._shape.pieces(number), strict=True):
                data = array.reshape(-1).view(np.uint8)
                write_at(descriptor, data.data, begin + start)
                sums.append(checksum(data))
        return sums

    def read(self, number: int, table: Table) -> Arrays:
        """Return one range, verified before its first use.

        Args:
            number: of the range.
            table: checksums.

        Raises:
            Damaged: the data are not what was written.
            OSError: the system refuses, or this is closed.
        """
        mapping = self._map
        data = self._buffer(number) if mapping is None else self._mapped(mapping, number)
        arrays: Arrays = {}
        for name, dtype, shape, start in self._shape.pieces(number):
            size = dtype.itemsize * prod(shape)
            # An empty slice would have no alignment to speak of; nothing lies in it anyway.
            arrays[name] = data[start : start + size].view(dtype).reshape(shape) if size else np.empty(shape, dtype)
            arrays[name].flags.writeable = False
        if self._shape.ranges[number] and (mapping is None or not self._verified[number]):
            if any(checksum(array) != int(want) for array, want in zip(arrays.values(), table[number], strict=True)):
                what = f"range {number} does not have its checksum"
                raise Damaged(what)
            self._verified[number] = 1
        return arrays

    def close(self) -> None:
        """No more reading and writing; arrays given out stay as they are."""
        self._map = None
        self._descriptor.close()

    def _mapped(self, mapping: mmap.mmap, number: int) -> NDArray[np.uint8]:
        if mapping.size() != self._size:
            what = f"it has {mapping.size()} bytes, not {self._size}"
            raise Damaged(what)
        begin, end = (self._head + place for place in self._shape.span(number))
        if begin == end:
            return np.empty(0, np.uint8)
        first = begin // _PAGE * _PAGE
        with suppress(OSError):  # a kernel before 5.14 has no such advice
            mapping.madvise(_POPULATE_READ, first, end - first)
        data = np.frombuffer(mapping, np.uint8, end - begin, begin)
        # A map would count as memory of this process until its end, more with each range that was looked at.
        weakref.finalize(data, mapping.madvise, mmap.MADV_DONTNEED, first, end - first).atexit = False
        return data

    def _buffer(self, number: int) -> NDArray[np.uint8]:
        begin, end = self._shape.span(number)
        whole = np.empty(end - begin + ALIGNMENT, np.uint8)
        offset = -whole.ctypes.data % ALIGNMENT
        data = whole[offset : offset + end - begin]
        with self._descriptor.use() as descriptor:
            count = read_at(descriptor, data.data, self._head + begin)
        if count != end - begin:
            what = f"range {number} is cut off"
            raise Damaged(what)
        return data
