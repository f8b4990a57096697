"""Dynamic batching: the rows of several callers are run together, and every caller gets exactly its own."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mlaas4hep.errors.serving import ModelTimeoutError, ModelUnavailableError, TooManyRequestsError
from mlaas4hep.frameworks.tensors import Tensors

__all__ = ["Answer", "Batcher", "Run"]

Answer: TypeAlias = tuple[dict[str, Any], int, int]
"""Outputs by name, nanoseconds of waiting, nanoseconds in the model."""
Run: TypeAlias = Callable[[Tensors, int, Sequence[str] | None, int], Awaitable[Answer]]
"""Runs tensors of a number of rows; the last argument is since when the first caller waits, in nanoseconds."""
Key: TypeAlias = tuple[Any, ...]


class _Caller:
    __slots__ = ("future", "inputs", "rows", "since")

    def __init__(self, inputs: Tensors, rows: int, future: asyncio.Future[Answer]) -> None:
        self.inputs = inputs
        self.rows = rows
        self.future = future
        self.since = time.perf_counter_ns()


class _Group:
    """Callers whose tensors fit together."""

    __slots__ = ("callers", "rows", "timer")

    def __init__(self) -> None:
        self.callers: deque[_Caller] = deque()
        self.rows = 0
        self.timer: asyncio.TimerHandle | None = None


class Batcher:
    """Collects requests until there are `max_size` rows or the first has waited `max_delay` seconds.

    A request is never split. If a run fails, each of its requests is run on its own, so that one bad request does not
    spoil others; a run that takes too long is not tried again, all its callers are told so at once. A caller that goes
    away does not disturb the others.

    Args:
        run: runs the model on tensors of this number of rows.
        max_size: rows of one run.
        max_delay: seconds.
        queue: rows that may wait.
    """

    def __init__(self, run: Run, max_size: int, max_delay: float, queue: int) -> None:
        self.max_size = max_size
        self._run = run
        self._delay = max_delay
        self._queue = queue
        self._groups: dict[Key, _Group] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.waiting = 0

    async def submit(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None = None) -> Answer:
        """Return the outputs for these rows alone.

        Raises:
            TooManyRequestsError: too many rows wait already.
            ServingError: the run failed on these rows.
        """
        if self.waiting and self.waiting + rows > self._queue:
            raise TooManyRequestsError(f"{self.waiting} rows wait for this model already", hint="try again later")
        wanted = None if outputs is None else tuple(outputs)
        key = (wanted, *((name, array.dtype, array.shape[1:]) for name, array in sorted(inputs.items())))
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group()
        loop = asyncio.get_running_loop()
        caller = _Caller(inputs, rows, loop.create_future())
        group.callers.append(caller)
        group.rows += rows
        self.waiting += rows
        if group.rows >= self.max_size:
            self._flush(key, group)
        elif group.timer is None:
            group.timer = loop.call_later(self._delay, self._flush, key, group)
        return await caller.future

    async def drain(self) -> None:
        """Run what waits, without waiting for more; return when all is answered."""
        for key, group in list(self._groups.items()):
            self._flush(key, group)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _flush(self, key: Key, group: _Group) -> None:
        """Start runs for all callers of a group that wait."""
        if group.timer is not None:
            group.timer.cancel()
            group.timer = None
        self._groups.pop(key, None)
        while group.callers:
            batch: list[_Caller] = []
            rows = 0
            while group.callers and (not batch or rows + group.callers[0].rows <= self.max_size):
                caller = group.callers.popleft()
                self.waiting -= caller.rows
                if not caller.future.done():  # else it was cancelled
                    batch.append(caller)
                    rows += caller.rows
            if batch:
                task = asyncio.get_running_loop().create_task(self._execute(batch, rows, key[0]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _execute(self, batch: list[_Caller], rows: int, outputs: tuple[str, ...] | None) -> None:
        if len(batch) == 1:
            await self._alone(batch[0], outputs)
            return
        joined = {name: np.concatenate([caller.inputs[name] for caller in batch]) for name in batch[0].inputs}
        try:
            found, queued, infer = await self._run(joined, rows, outputs, min(caller.since for caller in batch))
            if any(len(array) != rows for array in found.values()):
                raise _NotRowsError
        except (
            ModelTimeoutError,
            ModelUnavailableError,
            TooManyRequestsError,
        ) as error:  # no caller's fault: not tried again
            for caller in batch:
                if not caller.future.done():
                    caller.future.set_exception(type(error)(error.what, where=error.where, hint=error.hint))
            return
        except Exception:  # which caller's fault it is shows when each runs alone
            await asyncio.gather(*(self._alone(caller, outputs) for caller in batch))
            return
        started = time.perf_counter_ns() - infer
        at = 0
        for caller in batch:
            own = {name: array[at : at + caller.rows] for name, array in found.items()}
            at += caller.rows
            if not caller.future.done():
                caller.future.set_result((own, max(queued, started - caller.since), infer))

    async def _alone(self, caller: _Caller, outputs: tuple[str, ...] | None) -> None:
        if caller.future.done():
            return
        waited = time.perf_counter_ns() - caller.since
        try:
            found, queued, infer = await self._run(caller.inputs, caller.rows, outputs, caller.since)
        except Exception as error:
            if not caller.future.done():
                caller.future.set_exception(error)
            return
        if not caller.future.done():
            caller.future.set_result((found, waited + queued, infer))


class _NotRowsError(Exception):
    """An output does not have one row for each row of the input."""
