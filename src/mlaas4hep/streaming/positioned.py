"""Bytes that can be read at any place, as a file of Python with a place of its own."""

from __future__ import annotations

import errno
import io
import os
from typing import Any

__all__ = ["PositionedFile"]


class PositionedFile(io.RawIOBase):
    """Base of files that are read at any place: reads go on where the last one ended, and `seek` moves.

    Args:
        size: bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def read_at(self, buffer: Any, start: int) -> int:
        """Fill the buffer with what begins at this place of the file; return how many bytes there were."""
        raise NotImplementedError

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`; raises what `read_at` does."""
        count = self.read_at(buffer, self._at)
        self._at += count
        return count

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
