"""Replies that are ready in the same turn of the event loop are written together.

Each write wakes its client. On one machine that costs as much as a small prediction: without this a row of 42 numbers
takes 1.5 times as long (`python -m benchmarks.serving.run`), since clients that are awake need no waking.
"""

from __future__ import annotations

import asyncio
import time

__all__ = ["GatheredWrites"]


class GatheredWrites:
    """Writes what it is given, of one process, once the requests that had arrived are done.

    Args:
        longest: seconds that a reply may wait for others.
    """

    def __init__(self, longest: float = 0.001) -> None:
        self._longest = longest
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._since = 0.0

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write before anything that a later callback of the event loop does."""
        now = time.perf_counter()
        if not self._waiting:
            self._since = now
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append((transport, data))
        if now - self._since > self._longest:
            self.flush()

    def flush(self) -> None:
        """Write what waits, but for clients that have gone."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)
