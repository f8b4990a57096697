"""Descriptors of local files: as many open at a time as the system allows; others are opened again when needed.

A training may name thousands of files, and a process may often have 1024 open. The soft limit is raised when that is
what is missing; where the hard limit is low, too, the file that was not read for longest is closed, to be opened again.
"""

from __future__ import annotations

import errno
import os
import resource
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mlaas4hep.streaming.positioned import PositionedFile

__all__ = ["LocalBytes", "LocalFile", "open_limit", "too_many_open"]

_WANTED = 1 << 16
"""Soft limit that is asked for when files run short."""


def open_limit() -> int:
    """Return how many files this process may have open, ``ulimit -n``."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _WANTED if soft == resource.RLIM_INFINITY else soft


def too_many_open(error: BaseException) -> str | None:
    """Return what to say of an error that means too many open files, naming the limit; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in {errno.EMFILE, errno.ENFILE}:
        return None
    if error.errno == errno.ENFILE:
        return "the system has too many files open"
    return f"too many files are open: this process may have {open_limit()} (ulimit -n)"


class LocalFile:
    """A local file that can be read from; it takes a descriptor only while there is room for it.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor: int | None = None
        self.users = 0
        self.closed = False
        self._state: tuple[int, ...] | None = None
        with self.use() as descriptor:
            self.size = os.fstat(descriptor).st_size

    @contextmanager
    def use(self) -> Iterator[int]:
        """A descriptor, valid inside the context.

        Raises:
            OSError: the file is closed, cannot be opened again, or is not the one it was.
        """
        descriptor = _POOL.take(self)
        try:
            yield descriptor
        finally:
            _POOL.give_back(self)

    def close(self) -> None:
        """Close it, now or when the last user leaves."""
        _POOL.close(self)

    def open(self) -> int:
        """Open the file, or open it again; for the pool alone."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        found = os.fstat(descriptor)
        state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if self._state is not None and state != self._state:
            os.close(descriptor)
            msg = f"{self.path} was replaced or changed while it was in use"
            raise OSError(msg)
        self._state = state
        return descriptor


class LocalBytes(PositionedFile):
    """A `LocalFile` as a file of Python, with a place of its own.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._file = LocalFile(path)
        super().__init__(self._file.size)

    def read_at(self, buffer: Any, start: int) -> int:
        """See `PositionedFile`; raises OSError."""
        with self._file.use() as descriptor:
            return os.preadv(descriptor, [buffer], start)

    def close(self) -> None:
        """Close the file."""
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()


class _Pool:
    """All open descriptors. Its lock can be taken twice, since a file may be forgotten in the midst of its work."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open = 0
        self._idle: OrderedDict[int, LocalFile] = OrderedDict()

    def take(self, file: LocalFile) -> int:
        with self._lock:
            if file.closed:
                msg = f"{file.path} is closed"
                raise OSError(msg)
            if file.descriptor is None:
                self._make_room()
                file.descriptor = self._opened(file)
                self._open += 1
            self._idle.pop(id(file), None)
            file.users += 1
            return file.descriptor

    def give_back(self, file: LocalFile) -> None:
        with self._lock:
            file.users -= 1
            if file.users:
                return
            if file.closed:
                self._shut(file)
            else:
                self._idle[id(file)] = file

    def close(self, file: LocalFile) -> None:
        with self._lock:
            file.closed = True
            if not file.users:
                self._shut(file)

    def _opened(self, file: LocalFile) -> int:
        """Others than this pool have files open, too: they may have taken the last descriptor."""
        while True:
            try:
                return file.open()
            except OSError as error:
                if too_many_open(error) is None or not (_raise_limit() or self._shut_oldest()):
                    raise

    def _make_room(self) -> None:
        """Half of what is allowed is for others: libraries, sockets, outputs."""
        while self._open >= open_limit() // 2:
            if not (_raise_limit() or self._shut_oldest()):
                return

    def _shut_oldest(self) -> bool:
        with suppress(KeyError):
            self._shut(self._idle.popitem(last=False)[1])
            return True
        return False

    def _shut(self, file: LocalFile) -> None:
        self._idle.pop(id(file), None)
        if file.descriptor is not None:
            descriptor, file.descriptor = file.descriptor, None
            self._open -= 1
            os.close(descriptor)


_POOL = _Pool()


def _raise_limit() -> bool:
    """Raise the soft limit to the hard one; false if it is there already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return False
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return True
    return False
