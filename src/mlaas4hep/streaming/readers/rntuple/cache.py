"""Pages of RNTuples that some ranges have used in part, until all of their elements are used.

A page may hold one column of a whole cluster (uproot writes such ones), and ranges cut clusters. Threads that need the
same page wait for the one that decompresses it. What has no room in memory is kept in a temporary file that has no
name, and again decompressed each time only if there is no room for that either.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.streaming.readers.room import ROOM, Room

__all__ = ["PageCache", "Place"]

Place = tuple[int, int, int]  # cluster, column, page

_FULL = 1 << 30
"""Bytes of a temporary file after which the next one is begun: the first is gone with the last page in it."""


class _Spill:
    """A temporary file without a name, closed when nobody has it any more.

    Raises:
        OSError: there is no room for it.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            self._handle = os.dup(file.fileno())
        self._end = 0

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)

    @property
    def size(self) -> int:
        """Bytes that were written."""
        return self._end

    def write(self, data: NDArray[Any]) -> int:
        """Append numbers; where they begin."""
        begin, left = self._end, data.data.cast("B")
        while left:
            done = os.pwrite(self._handle, left, self._end)
            left, self._end = left[done:], self._end + done
        return begin

    def read(self, out: NDArray[Any], begin: int) -> None:
        """Fill an array."""
        left = out.data.cast("B")
        while left:
            done = os.preadv(self._handle, [left], begin)
            if not done:
                msg = "a temporary file was cut off"
                raise OSError(msg)
            left, begin = left[done:], begin + done


@dataclass(eq=False, slots=True)
class _Kept:
    """A page in memory (data), or in a file from a place on; ``left`` elements are still to be used."""

    dtype: np.dtype[Any]
    left: int
    data: NDArray[Any] | None = None
    spill: _Spill | None = None
    begin: int = 0

    def part(self, first: int, last: int) -> NDArray[Any]:
        """Return a copy of some elements."""
        if self.data is not None:
            return self.data[first:last].copy()
        assert self.spill is not None
        found = np.empty(last - first, dtype=self.dtype)
        self.spill.read(found, self.begin + first * self.dtype.itemsize)
        return found


class PageCache:
    """Pages of one file, for several threads at the same time, within a room that all files share."""

    def __init__(self, room: Room = ROOM) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._kept: dict[Place, _Kept] = {}
        self._gates: dict[Place, threading.Lock] = {}
        self._spill: _Spill | None = None

    def __del__(self) -> None:
        self.clear()

    def part(
        self, place: Place, size: int, used: int, first: int, last: int, make: Callable[[], NDArray[Any]]
    ) -> NDArray[Any]:
        """Elements of a page, a new array.

        Args:
            place: of the page.
            size: elements that it has.
            used: how many of those the caller takes no other will take in this pass.
            first: first element.
            last: behind the last element.
            make: decompresses the page.
        """
        with self._lock:
            page = self._kept.get(place)
            gate = self._gates.setdefault(place, threading.Lock()) if page is None and used < size else None
        if page is None and gate is None:
            return make()[first:last]
        if gate is not None:
            with gate:
                with self._lock:
                    page = self._kept.get(place)
                if page is None:
                    page = self._keep(place, make(), size)
                    with self._lock:
                        self._gates.pop(place, None)
        assert page is not None
        found = page.part(first, last)
        with self._lock:
            kept = self._kept.get(place)
            if kept is not None:
                kept.left -= used
                if kept.left <= 0:
                    self._drop(place)
        return found

    def clear(self) -> None:
        """Forget all pages."""
        with self._lock:
            for place in list(self._kept):
                self._drop(place)

    def _keep(self, place: Place, data: NDArray[Any], size: int) -> _Kept:
        page = _Kept(data.dtype, size, data)
        with self._lock:
            if self._room.take(data.nbytes):
                self._kept[place] = page
                return page
            try:
                if self._spill is None or self._spill.size >= _FULL:
                    self._spill = _Spill()
                begin = self._spill.write(data)
            except OSError:  # no room there either
                return page
            self._kept[place] = _Kept(data.dtype, size, None, self._spill, begin)
        return page

    def _drop(self, place: Place) -> None:
        page = self._kept.pop(place, None)
        if page is None:
            return
        if page.data is not None:
            self._room.give(page.data.nbytes)
        elif all(other.spill is None for other in self._kept.values()):
            self._spill = None
