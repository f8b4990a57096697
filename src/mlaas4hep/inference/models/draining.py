"""Draining: versions that were taken out are closed once nothing is in flight."""

from __future__ import annotations

import asyncio
import logging

from mlaas4hep.inference.models.loaded import LoadedVersion
from mlaas4hep.streaming.process_memory import give_back

__all__ = ["Draining"]

LOG = logging.getLogger("mlaas4hep.inference")
LONG = 3600.0


class Draining:
    """Closes versions when they are idle, and tells those who wait when any version has become idle."""

    def __init__(self) -> None:
        self.versions: set[LoadedVersion] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()

    def became_idle(self) -> None:
        """Note that the last request of a version has ended."""
        self._idle.set()

    def add(self, loaded: LoadedVersion) -> None:
        """Close a version as soon as it is idle. It gets no new requests."""
        self.versions.add(loaded)
        task = asyncio.get_running_loop().create_task(self._close_when_idle(loaded))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, loaded: LoadedVersion) -> None:
        """Close an idle version now."""
        self.versions.discard(loaded)
        await asyncio.to_thread(loaded.execution.close)
        await asyncio.to_thread(give_back)  # to the system, not only to the allocator
        LOG.info("unloaded version %s of model %s", loaded.entry.version, loaded.entry.name)

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

    async def _close_when_idle(self, loaded: LoadedVersion) -> None:
        while loaded.execution.in_flight:
            await self.until_idle(asyncio.get_running_loop().time() + LONG)
        await self.close(loaded)
