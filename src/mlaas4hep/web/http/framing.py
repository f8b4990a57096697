"""Limits on the bytes of a request that are not its body: its head, and what stands between and behind its chunks."""

from __future__ import annotations

__all__ = ["LARGEST", "STEP", "Chunks"]

LARGEST = 64 * 1024
"""Bytes of a head, and of what stands between two parts of a chunked body or behind the last."""
SLACK = 16
"""Bytes around each byte of a chunked body, beyond `LARGEST`, that small chunks may cost."""
STEP = 4096
"""Bytes that are parsed at a time where a request may begin."""


class Chunks:
    """Counts the bytes of one chunked body, and of what stands around them."""

    def __init__(self) -> None:
        self._around = self._between = 0
        self._inside = -1

    def too_large(self, piece: int, inside: int) -> bool:
        """Count a piece that was parsed.

        Args:
            piece: its bytes.
            inside: bytes of the body so far.

        Returns:
            Whether what stands around the bytes of the body has become larger than it may be.
        """
        self._around += piece
        self._between = 0 if inside != self._inside else self._between + piece
        self._inside = inside
        return self._between > LARGEST or self._around > LARGEST + SLACK * inside
