"""Finds clients that stop reading their answer; a slow one that makes progress is not cut off."""

from __future__ import annotations

import asyncio

__all__ = ["PROGRESS", "WriteStall"]

PROGRESS = 64 * 1024
"""Bytes that a client has to send or to take within its time."""


class WriteStall:
    """Progress of what waits to be written on one connection."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._size = 0

    @property
    def waits(self) -> bool:
        """Return whether the client reads slower than it is written to."""
        return self._since is not None

    def begin(self, now: float, transport: asyncio.WriteTransport) -> None:
        """Note that the client does not take more for now."""
        self._since, self._size = now, transport.get_write_buffer_size()

    def end(self) -> None:
        """Note that the client has taken enough."""
        self._since = None

    def late(self, now: float, limit: float, transport: asyncio.WriteTransport) -> bool:
        """Return whether the client took less than `PROGRESS` bytes in `limit` seconds."""
        if self._since is None:
            return False
        left = transport.get_write_buffer_size()
        if self._size - left >= PROGRESS:
            self._since, self._size = now, left
        return now - self._since > limit
