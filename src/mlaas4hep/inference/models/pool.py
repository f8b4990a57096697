"""The pool of models in memory: loading, replacing, eviction and unloading without losing a request."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.serving import ModelNotFoundError, ModelUnavailableError
from mlaas4hep.inference.models.draining import Draining
from mlaas4hep.inference.models.loaded import LoadedVersion
from mlaas4hep.inference.models.loading import OpenRuntime, load_version
from mlaas4hep.inference.models.versions import Model, Slot
from mlaas4hep.inference.settings import Settings

__all__ = ["Pool"]

LOG = logging.getLogger("mlaas4hep.inference")
AT_ONCE = 2


class Pool:
    """Holds all models of the server. To be used in one event loop.

    Args:
        settings: limits, threads.
        open_runtime: opens the model of a folder.

    Attributes:
        models: by name.
    """

    def __init__(self, settings: Settings, open_runtime: OpenRuntime) -> None:
        self.models: dict[str, Model] = {}
        self._settings = settings
        self._open = open_runtime
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, "mlaas4hep-load")
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = Draining()
        self._requests = 0
        self._reserved = 0
        self._closed = False

    @property
    def has_room(self) -> bool:
        """Return true if one more version can be loaded and none has to go for it."""
        return self._loaded() + len(self._tasks) < self._settings.limits.loaded

    def model(self, name: str) -> Model:
        """Return the model of a name; raise ModelNotFoundError if there is none."""
        model = self.models.get(name)
        if model is None:
            raise ModelNotFoundError(f"there is no model {ascii(name[:128])[1:-1]}")
        return model

    def pick(self, name: str, version: str) -> LoadedVersion | None:
        """Return the version in memory that answers a request, at once; None if `ready` has to be asked."""
        model = self.models.get(name)
        if model is None:
            return None
        loaded = model.pick(version)
        if loaded is not None:
            self._requests += 1
            loaded.used = self._requests
        return loaded

    async def ready(self, name: str, version: str) -> LoadedVersion:
        """Return what `pick` does, after loading what was asked for. The caller uses it before its next await.

        Raises:
            ModelNotFoundError: there is no such model or version.
            ModelUnavailableError: it cannot be had: damaged, unloaded, or not loaded in time.
        """
        end = asyncio.get_running_loop().time() + self._settings.limits.timeout
        while True:
            if self._closed:
                raise ModelUnavailableError("the server has stopped")
            model = self.model(name)
            loaded = self.pick(name, version)
            if loaded is not None:
                return loaded
            slot = model.find(version)
            if slot.loaded is not None:  # the choice was not refreshed yet
                model.refresh()
                continue
            if slot.failure and slot.task is None:
                raise unavailable(slot, f"cannot be served: {slot.failure}")
            if model.is_unloaded(slot) and slot.task is None:
                raise unavailable(slot, "has been unloaded")
            task = self.begin(model, slot)
            left = end - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait({task}, timeout=max(0.0, left))
            if not done:
                raise unavailable(slot, "is being loaded", hint="try again later")
            with suppress(Busy):  # meanwhile there may be room
                self._raise(slot, task)
                continue
            if left <= 0:
                self._raise(slot, task)

    async def load(self, model: Model, slot: Slot) -> None:
        """Bring a version into memory, or its files anew if they have changed.

        Raises:
            ModelUnavailableError: that failed; says why.
        """
        if slot.entry.problem:
            raise unavailable(slot, f"cannot be served: {slot.entry.problem}")
        while slot.loaded is None or slot.loaded.entry != slot.entry:
            task = self.begin(model, slot)
            await asyncio.wait({task})
            self._raise(slot, task)
            if slot.failure:
                raise unavailable(slot, f"cannot be loaded: {slot.failure}")
            if slot.gone:
                raise ModelNotFoundError(f"version {slot.entry.version} of model {model.name} has gone")

    def begin(self, model: Model, slot: Slot) -> asyncio.Task[None]:
        """Start the load of a version, unless one is under way."""
        if slot.task is None:
            slot.fresh = False
            slot.failure = slot.entry.problem
            slot.task = asyncio.get_running_loop().create_task(self._load(model, slot))
            self._tasks.add(slot.task)
            slot.task.add_done_callback(self._ended)
        return slot.task

    def take_out(self, model: Model, slot: Slot) -> None:
        """Let go of a version once nothing is in flight."""
        loaded, slot.loaded = slot.loaded, None
        if loaded is not None:
            model.refresh()
            self._draining.add(loaded)

    async def settled(self) -> None:
        """Wait until no load is under way and nothing is left to close."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._draining.settled()

    async def quiet(self, seconds: float) -> bool:
        """Wait until nothing is in flight; False if that takes longer."""
        end = asyncio.get_running_loop().time() + seconds
        while any(loaded.execution.in_flight for loaded in self._everything()):
            if not await self._draining.until_idle(end):
                return False
        return True

    async def close(self) -> None:
        """Let go of everything, also of what is still running. From now on nothing is ready."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        left = [loaded for loaded in self._everything() if loaded not in self._draining.versions]
        self.models.clear()
        for loaded in left:
            self._draining.add(loaded)
        if any(loaded.execution.in_flight for loaded in self._draining.versions):
            LOG.warning("stopped with requests in flight")
            return
        await self._draining.settled()
        self._threads.shutdown(wait=False)

    async def _load(self, model: Model, slot: Slot) -> None:
        entry = slot.entry
        try:
            async with self._gate:
                await self._make_room(model, slot)
                self._reserved += 1
                try:
                    loaded = await self._in_thread(slot)
                finally:
                    self._reserved -= 1
        except Busy:
            raise
        except Exception as error:
            if entry == slot.entry:
                slot.failure = _reason(error)
            known = isinstance(error, MLaaS4HEPError)
            LOG.warning("version %s of model %s cannot be loaded: %s", entry.version, model.name, _reason(error),
                        exc_info=None if known else error)  # fmt: skip
            return
        finally:
            slot.task = None
            model.refresh()
        loaded.execution.on_idle = self._draining.became_idle
        loaded.execution.batch(model.settings.batching)
        loaded.used = self._requests
        self._put_in(model, slot, loaded)

    def _put_in(self, model: Model, slot: Slot, loaded: LoadedVersion) -> None:
        """Switch: from here on requests go to the new one."""
        unwanted = slot.gone or model.is_unloaded(slot)
        if unwanted or loaded.entry != slot.entry:
            self._draining.add(loaded)
            if not unwanted and not slot.entry.problem:
                self.begin(model, slot)
            return
        previous = model.default
        before, slot.loaded = slot.loaded, loaded
        slot.proven, slot.failure = True, ""
        model.refresh()
        if before is not None:
            self._draining.add(before)
        LOG.info("loaded version %s of model %s", loaded.entry.version, model.name)
        if previous is not None and previous is not model.default and previous is not before:
            old = model.slots.get(previous.entry.version)
            if old is not None and old.entry.version not in model.settings.labels.values():
                self.take_out(model, old)

    async def _in_thread(self, slot: Slot) -> LoadedVersion:
        work = self._threads.submit(load_version, slot.entry, self._settings, slot.statistics, self._open)
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            work.add_done_callback(_discard)
            raise

    async def _make_room(self, model: Model, slot: Slot) -> None:
        """Take the least recently used version out until there is room; defaults and canaries of this model go last.

        A version that will go when this one has come counts as room, and stays until then.
        """
        end = asyncio.get_running_loop().time() + self._settings.limits.timeout
        while True:
            goes = slot.loaded or model.replaced_by(slot)
            if self._loaded() + self._reserved < self._settings.limits.loaded + (goes is not None):
                return
            idle = [
                (loaded in {model.default, model.canary}, loaded.used, owner, other, loaded)
                for owner in self.models.values()
                for other in owner.slots.values()
                if (loaded := other.loaded) is not None and not loaded.execution.in_flight and loaded is not goes
            ]
            if idle:
                _, _, owner, other, loaded = min(idle, key=lambda entry: entry[:2])
                other.loaded = None
                owner.refresh()
                await self._draining.close(loaded)
            elif goes is not None:
                return
            elif not await self._draining.until_idle(end):
                raise Busy("all models in memory are busy, and there is no room for one more", hint="try again later")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, also if no caller waits

    @staticmethod
    def _raise(slot: Slot, task: asyncio.Task[None]) -> None:
        """Raise what ended a load that failed without being the version's fault."""
        if task.cancelled():
            raise unavailable(slot, "is not loaded: the server stops")
        error = task.exception()
        if error is not None:
            raise error

    def _everything(self) -> list[LoadedVersion]:
        slots = [slot for model in self.models.values() for slot in model.slots.values()]
        return [*(slot.loaded for slot in slots if slot.loaded is not None), *self._draining.versions]

    def _loaded(self) -> int:
        return sum(slot.loaded is not None for model in self.models.values() for slot in model.slots.values())


class Busy(ModelUnavailableError):
    """No room for the moment."""


def unavailable(slot: Slot, why: str, *, hint: str | None = None) -> ModelUnavailableError:
    """Return the error for a version that cannot be had."""
    return ModelUnavailableError(f"version {slot.entry.version} of model {slot.entry.name} {why}", hint=hint)


def _reason(error: Exception) -> str:
    if isinstance(error, MLaaS4HEPError):
        return f"{error.what}; {error.hint}" if error.hint else error.what
    return f"{type(error).__name__}: {error}"


def _discard(work: Future[LoadedVersion]) -> None:
    """Close what was loaded for nobody."""
    if not work.cancelled() and work.exception() is None:
        work.result().execution.close()
