"""An open file that several threads use, and that one of them may close."""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["Descriptor", "read_at", "write_at"]


class Descriptor:
    """A file descriptor that is closed when nobody uses it any more.

    Otherwise a thread that still writes could hit another file, opened meanwhile under the same number.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._users = 1  # the owner
        self._closed = False
        self._lock = Lock()
        self._end = weakref.finalize(self, os.close, number)
        self._end.atexit = False

    @contextmanager
    def use(self) -> Iterator[int]:
        """The number, valid inside the context.

        Raises:
            OSError: it is closed.
        """
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._users += 1
        try:
            yield self._number
        finally:
            self._leave()

    def close(self) -> None:
        """Close it, now or when the last user leaves."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = not self._users
        if last:
            self._end()


def write_at(descriptor: int, data: memoryview, start: int) -> None:
    """Write all bytes at a place of the file; other threads run meanwhile.

    Raises:
        OSError: the system refuses, for instance because the disk is full.
    """
    while data:
        written = os.pwrite(descriptor, data, start)
        data, start = data[written:], start + written


def read_at(descriptor: int, into: memoryview, start: int) -> int:
    """Fill a buffer from a place of the file; other threads run meanwhile.

    Returns:
        Bytes that were there.

    Raises:
        OSError: the system refuses.
    """
    total = 0
    while total < len(into) and (count := os.preadv(descriptor, [into[total:]], start + total)):
        total += count
    return total
