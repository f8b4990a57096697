"""Closing versions that were taken out, once nothing is in flight."""

from __future__ import annotations

import asyncio
import logging

from mlaas4hep.inference.models.release import close_and_trim
from mlaas4hep.inference.models.served import Served

__all__ = ["Retiring"]

LOG = logging.getLogger("mlaas4hep.inference")
LONG = 3600.0


class Retiring:
    """Versions on their way out, and a signal for whoever waits until a version has nothing in flight."""

    def __init__(self) -> None:
        self.served: set[Served] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()

    def became_idle(self) -> None:
        """Called by each version when its last request has ended."""
        self._idle.set()

    def add(self, served: Served) -> None:
        """Close a version as soon as it is idle. It gets no new requests."""
        self.served.add(served)
        task = asyncio.get_running_loop().create_task(self._close_when_idle(served))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, served: Served) -> None:
        """Close an idle version now."""
        self.served.discard(served)
        await asyncio.to_thread(close_and_trim, served.execution.close)
        LOG.info("unloaded version %s of model %s", served.entry.version, served.entry.name)

    async def settled(self) -> None:
        """Wait until all are closed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def until_idle(self, end: float) -> bool:
        """Wait until some version has become idle; False if that is not before `end` (time of the event loop)."""
        self._idle.clear()
        try:
            await asyncio.wait_for(self._idle.wait(), max(0.0, end - asyncio.get_running_loop().time()))
        except TimeoutError:
            return False
        return True

    async def _close_when_idle(self, served: Served) -> None:
        while served.execution.in_flight:
            await self.until_idle(asyncio.get_running_loop().time() + LONG)
        await self.close(served)
