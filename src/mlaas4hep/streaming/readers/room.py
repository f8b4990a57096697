"""How much memory all open files together may use for what was decompressed and will be needed again."""

from __future__ import annotations

import threading

__all__ = ["ROOM", "Room"]

_MOST = 256 << 20
_SHARE = 8


class Room:
    """Bytes that are taken and given back, by several threads.

    Args:
        limit: as many as may be taken at a time.
    """

    def __init__(self, limit: int = _MOST) -> None:
        self._limit = limit
        self._taken = 0
        self._lock = threading.RLock()  # a cache that is forgotten in the midst of `take` gives back what it had

    @property
    def taken(self) -> int:
        """Bytes that are taken."""
        return self._taken

    def fit(self, memory_limit: int | None) -> None:
        """Allow an eighth of a limit on the memory for events, at most 256 MiB; these also if there is no limit."""
        self._limit = _MOST if memory_limit is None else min(_MOST, memory_limit // _SHARE)

    def take(self, size: int) -> bool:
        """Take this many bytes; false if there is no room for them."""
        with self._lock:
            if self._taken + size > self._limit:
                return False
            self._taken += size
            return True

    def give(self, size: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._taken -= size


ROOM = Room()
"""That of this process."""
