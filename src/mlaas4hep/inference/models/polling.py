"""Polling of the repository, one look at a time."""

from __future__ import annotations

import asyncio
import logging

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.inference.models.pool import Pool
from mlaas4hep.inference.models.reconcile import reconcile, reconcile_all
from mlaas4hep.inference.repository.folders import version_folder
from mlaas4hep.inference.repository.names import is_model, is_version
from mlaas4hep.inference.repository.scan import Scanner
from mlaas4hep.inference.repository.store import Store

__all__ = ["Polling"]

LOG = logging.getLogger("mlaas4hep.inference")


class Polling:
    """Keeps memory in line with the disk.

    Args:
        store: the repository.
        pool: follows it.
        poll: seconds between looks.

    Attributes:
        default_model: set for all servers of the repository, None if it is not.
    """

    def __init__(self, store: Store, pool: Pool, poll: float) -> None:
        self.default_model: str | None = None
        self._store = store
        self._pool = pool
        self._poll = poll
        self._scanner = Scanner(store)
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the folder, clean up, look at everything, and go on looking.

        Raises:
            ServingError: the folder cannot be used.
        """
        removed = await asyncio.to_thread(self._store.open)
        if removed:
            LOG.info("removed %d unfinished changes of processes that died", len(removed))
        await self.poll_all()
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def poll_all(self) -> None:
        """Look at all models on disk."""
        async with self._lock:
            found = await asyncio.to_thread(self._scanner.all)
            self.default_model = await asyncio.to_thread(self._store.default_model)
            reconcile_all(self._pool, found)

    async def poll(self, name: str) -> None:
        """Look at one model."""
        async with self._lock:
            reconcile(self._pool, name, await asyncio.to_thread(self._scanner.one, name))

    async def is_new(self, name: str, version: str) -> bool:
        """Look for a model or version that is not known: another process may have added it just now."""
        if not is_model(name):
            return False
        folder = self._store.root / name
        known = self._pool.models.get(name)
        if known is not None and not (is_version(version) and version_folder(folder, int(version))):
            return False
        if known is None and not folder.is_dir():
            return False
        await self.poll(name)
        return name in self._pool.models

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._poll)
            try:
                await self.poll_all()
            except (OSError, MLaaS4HEPError) as error:
                LOG.warning("the repository cannot be read: %s", error)
            except Exception:
                LOG.exception("looking at the repository failed")
