"""Answers that are ready together are sent together.

Each answer that is sent wakes its client, which on the same machine costs as much as a small prediction; clients that
are awake need no waking.
"""

from __future__ import annotations

import asyncio
import time

__all__ = ["Outgoing"]

LONG = 0.001
"""Seconds that an answer may wait for others."""


class Outgoing:
    """Of one process: what is written is sent when the requests that had arrived are done, or a millisecond is over."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._since = 0.0

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Send it soon; before anything that is done by a later callback of the event loop."""
        now = time.perf_counter()
        waiting = self._waiting
        if not waiting:
            self._since = now
            asyncio.get_running_loop().call_soon(self.send)
        waiting.append((transport, data))
        if now - self._since > LONG:
            self.send()

    def send(self) -> None:
        """Send what waits."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)
