"""Pages of RNTuples that some ranges have used in part, until all of their elements are used.

A page may hold one column of a whole cluster (uproot writes such ones), and ranges cut clusters. Threads that need the
same page wait for the one that decompresses it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mlaas4hep.streaming.readers.room import ROOM, Room

__all__ = ["PageCache", "Place"]

Place = tuple[int, int, int]  # cluster, column, page


@dataclass(eq=False, slots=True)
class _Kept:
    data: NDArray[Any]
    left: int
    last: int = 0


class PageCache:
    """Pages of one file, for several threads at the same time, within a room that all files share.

    What does not fit is not kept. Pages of other clusters, the one that was used longest ago first, make room.
    """

    def __init__(self, room: Room = ROOM) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._kept: dict[Place, _Kept] = {}
        self._gates: dict[Place, threading.Lock] = {}
        self._reads = 0

    def __del__(self) -> None:
        self.clear()

    def get(self, place: Place, size: int, used: int, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """A page, not to be changed.

        Args:
            place: of the page.
            size: elements that it has.
            used: elements that the caller uses, and no other will in this pass.
            make: decompresses it.
        """
        page = self._find(place)
        if page is None and used >= size:
            return make()
        if page is None:
            with self._lock:
                gate = self._gates.setdefault(place, threading.Lock())
            with gate:
                page = self._find(place)
                if page is None:
                    page = self._keep(place, _Kept(make(), size))
        with self._lock:
            page.left -= used
            self._reads += 1
            page.last = self._reads
            if page.left <= 0:
                self._drop(place)
        return page.data

    def clear(self) -> None:
        """Forget all pages."""
        with self._lock:
            for place in list(self._kept):
                self._drop(place)

    def _find(self, place: Place) -> _Kept | None:
        with self._lock:
            return self._kept.get(place)

    def _keep(self, place: Place, page: _Kept) -> _Kept:
        with self._lock:
            self._gates.pop(place, None)
            others = sorted((old for old in self._kept if old[0] != place[0]), key=lambda old: -self._kept[old].last)
            while not self._room.take(page.data.nbytes):
                if not others:
                    return page
                self._drop(others.pop())
            self._kept[place] = page
            return page

    def _drop(self, place: Place) -> None:
        page = self._kept.pop(place, None)
        if page is not None:
            self._room.give(page.data.nbytes)
