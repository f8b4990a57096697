"""Decompressed baskets that the next range needs too.

Ranges need not end where baskets end. A basket that goes beyond the end of a range is kept until a range has used its
last entry, so that ranges in order decompress each basket once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mlaas4hep.streaming.readers.room import ROOM, Room
from mlaas4hep.streaming.readers.ttree.baskets.raw import Key

__all__ = ["BasketCache", "Kept", "Place"]

_LIMIT = 32 << 20
_STALE = 16

Place = tuple[str, int]  # branch and number of the basket


@dataclass(frozen=True, slots=True)
class Kept:
    """A decompressed basket.

    Attributes:
        key: what its key says.
        data: uint8 [key.size]; not to be changed.
    """

    key: Key
    data: NDArray[Any]


class BasketCache:
    """Baskets of one file, for several threads at the same time, of bounded size within the room of all files.

    What does not fit is not kept; what was kept and not asked for during the last reads makes room first.
    """

    def __init__(self, limit: int = _LIMIT, room: Room = ROOM) -> None:
        self._limit, self._room = limit, room
        self._lock = threading.Lock()
        self._kept: dict[Place, Kept] = {}
        self._used: dict[Place, int] = {}
        self._size = 0
        self._reads = 0

    def __del__(self) -> None:
        self.clear()

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._size

    def find(self, places: Iterable[Place]) -> dict[Place, Kept]:
        """Return those of the baskets that are here; to be called once a read."""
        with self._lock:
            self._reads += 1
            found = {place: self._kept[place] for place in places if place in self._kept}
            self._used.update(dict.fromkeys(found, self._reads))
            return found

    def keep(self, place: Place, key: Key, data: NDArray[Any]) -> None:
        """Keep a copy of a basket, if there is room."""
        with self._lock:
            if self._size + data.nbytes > self._limit:
                for old in [old for old, used in self._used.items() if used < self._reads - _STALE]:
                    self._drop(old)
            if place in self._kept or self._size + data.nbytes > self._limit or not self._room.take(data.nbytes):
                return
            self._kept[place] = Kept(key, data.copy())
            self._used[place] = self._reads
            self._size += data.nbytes

    def drop(self, places: Iterable[Place]) -> None:
        """Forget baskets whose last entry was read."""
        with self._lock:
            for place in places:
                if place in self._kept:
                    self._drop(place)

    def clear(self) -> None:
        """Forget all baskets."""
        with self._lock:
            for place in list(self._kept):
                self._drop(place)

    def _drop(self, place: Place) -> None:
        size = self._kept.pop(place).data.nbytes
        self._size -= size
        self._room.give(size)
        del self._used[place]
