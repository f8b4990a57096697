"""The heads of HTTP/2 frames (RFC 9113)."""

from __future__ import annotations

from collections.abc import Callable

from mlaas4hep.web.http.framing import LARGEST

__all__ = ["DATA", "END_STREAM", "HEADERS", "PREFACE", "RESET", "Frames"]

PREFACE = 24
"""Bytes that a client sends before its first frame."""
HEAD = 9
DATA, HEADERS, RESET, CONTINUATION = 0, 1, 3, 9
END_STREAM, END_HEADERS = 1, 4


class Frames:
    """Follows the frames of one direction of a connection.

    Args:
        skip: bytes before the first.
        found: called for each frame, with its kind, flags and stream.

    Attributes:
        block: bytes of the headers that have begun and not ended.
    """

    def __init__(self, skip: int, found: Callable[[int, int, int], None]) -> None:
        self.block = 0
        self._left = skip
        self._found = found
        self._head = b""

    @property
    def open(self) -> bool:
        """Return whether a frame, or the headers, have begun and not ended."""
        return bool(self._left or self._head or self.block)

    def feed(self, data: bytes) -> bool:
        """Follow the next bytes; return False if the headers that have begun are longer than `LARGEST`."""
        position, size = self._left, len(data)
        if self._head:
            data, size, self._head = self._head + data, size + len(self._head), b""
        while position + HEAD <= size:
            length = data[position] << 16 | data[position + 1] << 8 | data[position + 2]
            kind, flags = data[position + 3], data[position + 4]
            if kind in (HEADERS, CONTINUATION):
                self.block += length + HEAD
                if self.block > LARGEST:
                    return False
                if flags & END_HEADERS:
                    self.block = 0
            self._found(kind, flags, int.from_bytes(data[position + 5 : position + HEAD], "big"))
            position += HEAD + length
        if position < size:
            self._head = data[position:]
            position = size
        self._left = position - size
        return True
