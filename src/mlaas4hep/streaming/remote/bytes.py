"""A file on servers as a file of Python."""

from __future__ import annotations

import errno
import io
import os
from typing import Any

from mlaas4hep.errors.reading import CorruptFileError, NoRangeRequestsError
from mlaas4hep.streaming.remote.connection import Connection
from mlaas4hep.streaming.remote.location import policy_of
from mlaas4hep.streaming.remote.schemes import scheme_of
from mlaas4hep.streaming.remote.transport import Transport

__all__ = ["RemoteBytes"]


class RemoteBytes(io.RawIOBase):
    """The bytes of a file, read through one connection that outlives faults.

    Args:
        path: URL, or `RemotePath`.

    Raises:
        FileReadError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        policy = policy_of(path)

        def reach(url: str) -> Transport:
            scheme = scheme_of(url)
            scheme.prepare()
            return scheme.transport(url, policy)

        self._at = 0
        self._connection = Connection(path, reach)
        size = self._connection.size
        if size is None:
            self._connection.close()
            raise NoRangeRequestsError("the server does not tell how large the file is", where=path)
        if size == 0:
            self._connection.close()
            raise CorruptFileError("is empty (0 bytes)", where=path)
        self._size = size

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`.

        Raises:
            FileReadError: the bytes cannot be read.
        """
        data = self._connection.read([(self._at, self._at + len(buffer))])[0]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `io.IOBase`."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._at

    def close(self) -> None:
        """Close the file."""
        if not self.closed and hasattr(self, "_connection"):
            self._connection.close()
        super().close()
