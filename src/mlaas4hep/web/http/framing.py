"""Limits on the bytes of a request that are not its body: its head, and what stands between and behind its chunks."""

from __future__ import annotations

__all__ = ["LARGEST", "STEP", "Framing"]

LARGEST = 64 * 1024
"""Bytes of a head, and of what stands between two parts of a chunked body or behind the last."""
SLACK = 16
"""Bytes around each byte of a chunked body, beyond `LARGEST`, that small chunks may cost."""
STEP = 4096
"""Bytes that are parsed at a time where a request may begin."""


class Framing:
    """Counts the bytes of the request that is arriving.

    Attributes:
        piece: bytes that are parsed now.
        head: bytes since the piece in which the head began, that piece included.
        inside: bytes of the body.
        chunked: the body comes in chunks.
    """

    __slots__ = ("_around", "_before", "_between", "chunked", "head", "inside", "piece")

    def __init__(self) -> None:
        self.piece = self.head = 0
        self.body_begins(chunked=False)

    def body_begins(self, *, chunked: bool) -> None:
        """Count a new body."""
        self.chunked = chunked
        self.inside = self._around = self._between = 0
        self._before = -1

    def head_too_large(self) -> bool:
        """Return whether the head, which has not ended, is larger than it may be."""
        return self.head > LARGEST + STEP

    def chunks_too_large(self) -> bool:
        """Return whether the piece just parsed made what stands around the body's bytes larger than it may be."""
        self._around += self.piece
        self._between = 0 if self.inside != self._before else self._between + self.piece
        self._before = self.inside
        return self.chunked and (self._between > LARGEST or self._around > LARGEST + SLACK * self.inside)
