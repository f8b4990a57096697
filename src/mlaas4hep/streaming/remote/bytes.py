"""A file on servers as a file of Python."""

from __future__ import annotations

from typing import Any

from mlaas4hep.errors.reading import CorruptFileError, NoRangeRequestsError
from mlaas4hep.streaming.positioned import PositionedFile
from mlaas4hep.streaming.remote.connection import connection_to

__all__ = ["RemoteBytes"]


class RemoteBytes(PositionedFile):
    """The bytes of a file, read through one connection that outlives faults.

    Args:
        path: URL, or `RemotePath`.

    Raises:
        FileReadError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._connection = connection_to(path)
        size = self._connection.size
        if size is None:
            self._connection.close()
            raise NoRangeRequestsError("the server does not tell how large the file is", where=path)
        if size == 0:
            self._connection.close()
            raise CorruptFileError("is empty (0 bytes)", where=path)
        super().__init__(size)

    def read_at(self, buffer: Any, start: int) -> int:
        """See `PositionedFile`.

        Raises:
            FileReadError: the bytes cannot be read.
        """
        data = self._connection.read([(start, start + len(buffer))])[0]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        if not self.closed and hasattr(self, "_connection"):
            self._connection.close()
        super().close()
