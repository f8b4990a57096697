"""Whether a client goes on taking what it is sent: what counts is that it gets on, not that it is done."""

from __future__ import annotations

import asyncio

__all__ = ["PROGRESS", "Unread"]

PROGRESS = 64 * 1024
"""Bytes that a client has to send or to take within its time."""


class Unread:
    """What waits to be written on one connection."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._size = 0

    @property
    def waits(self) -> bool:
        """The client does not take as fast as it is written to."""
        return self._since is not None

    def begin(self, now: float, transport: asyncio.WriteTransport) -> None:
        """It does not take more for now."""
        self._since, self._size = now, transport.get_write_buffer_size()

    def end(self) -> None:
        """It has taken enough."""
        self._since = None

    def late(self, now: float, limit: float, transport: asyncio.WriteTransport) -> bool:
        """True if it took less than `PROGRESS` bytes in so many seconds."""
        if self._since is None:
            return False
        left = transport.get_write_buffer_size()
        if self._size - left >= PROGRESS:
            self._since, self._size = now, left
        return now - self._since > limit
