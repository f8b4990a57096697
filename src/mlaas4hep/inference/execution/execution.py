"""Running a loaded version: in the event loop if it is fast, in a thread of its own if not, in batches if asked for."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import (
    ModelTimeoutError,
    ModelUnavailableError,
    ServingError,
    TooLargeError,
    TooManyRequestsError,
)
from mlaas4hep.frameworks.tensors import Runtime, Tensors
from mlaas4hep.inference.execution.batching import Answer, Batcher
from mlaas4hep.inference.execution.inline_limit import InlineLimit
from mlaas4hep.inference.execution.statistics import VersionStatistics
from mlaas4hep.inference.repository.model_json import Batching
from mlaas4hep.inference.settings import Limits

__all__ = ["CHUNK", "Execution", "blank"]

CHUNK = 16_384
"""Rows given to a model at a time, so that memory stays bounded."""
INLINE_TIMEOUT = 0.25
"""Seconds after which a run in the event loop is stopped, and the model is barred from there."""
LATE = 0.5
"""Seconds beyond its time in which a run has to have ended; its caller does not wait for longer."""


def blank(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return zeros; of strings the text "0", which is a number where one is expected."""
    return np.full(shape, "0" if dtype.kind == "O" else 0, dtype=dtype)


class Execution:
    """Runs one loaded model.

    Args:
        runtime: loaded.
        limits: time a run may take, rows that may wait.
        inline_limit: number of rows up to which a run is short enough for the event loop.
        statistics: told of every run.
    """

    def __init__(
        self, runtime: Runtime, limits: Limits, inline_limit: InlineLimit, statistics: VersionStatistics
    ) -> None:
        self.runtime = runtime
        self.inline_limit = inline_limit
        self.batcher: Batcher | None = None
        self.batched = runtime.batched
        self._limits = limits
        self._largest = 2 * limits.body
        self._statistics = statistics
        self._threads: ThreadPoolExecutor | None = None
        self._waiting = 0
        self.in_flight = 0
        self.on_idle: Callable[[], None] | None = None

    @property
    def waiting(self) -> int:
        """Return the number of rows that wait for a thread or a batch, or are being run in a thread."""
        return self._waiting + (self.batcher.waiting if self.batcher is not None else 0)

    def batch(self, settings: Batching | None) -> None:
        """Turn batching on or off; what waits is finished as it began."""
        if settings is None or not self.batched:
            self.batcher = None
        else:
            self.batcher = Batcher(self._direct, settings.max_size, settings.max_delay_ms / 1e3, self._limits.queue)

    def acquire(self) -> None:
        """Begin a request: until it is released the model is not closed."""
        self.in_flight += 1

    def release(self) -> None:
        """End a request."""
        self.in_flight -= 1
        if not self.in_flight and self.on_idle is not None:
            self.on_idle()

    def inline(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None = None) -> dict[str, Any] | None:
        """Run at once, in the calling thread; None if that would take too long or batching is on."""
        if not 0 < rows <= self.inline_limit.rows or self.batcher is not None:
            return None
        return self._in_loop(inputs, rows, outputs)

    async def run(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None = None) -> Answer:
        """Run in a batch or in a thread.

        Raises:
            TooManyRequestsError: too many rows wait.
            ModelTimeoutError, ModelFailedError: see `Runtime.run`.
        """
        batcher = self.batcher
        if batcher is not None and rows < batcher.max_size:
            return await batcher.submit(inputs, rows, outputs)
        return await self._threaded(inputs, rows, outputs, time.perf_counter_ns())

    def check_answer(self, found: dict[str, Any]) -> None:
        """Raise TooLargeError if the outputs are larger than answers may be, twice the limit of bodies."""
        size = 0
        for array in found.values():
            size += array.nbytes
        if size > self._largest:
            what = f"the answer has {size} bytes, at most {self._largest} are sent"
            raise TooLargeError(what, hint="give fewer rows, or ask for fewer outputs")

    def close(self) -> None:
        """Give back memory and threads. Nothing is in flight."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        self.runtime.close()

    async def _direct(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None, since: int) -> Answer:
        """Run for the batcher."""
        if 0 < rows <= self.inline_limit.rows:
            started = time.perf_counter_ns()
            found = self._in_loop(inputs, rows, outputs)
            if found is not None:
                infer = time.perf_counter_ns() - started
                self._statistics.executed(rows, infer)
                return found, 0, infer
        return await self._threaded(inputs, rows, outputs, since)

    def _in_loop(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None) -> dict[str, Any] | None:
        """Run in the calling thread; None if it took too long."""
        begin = time.thread_time()
        try:
            found = self.runtime.run(inputs, outputs, timeout=INLINE_TIMEOUT)
        except ModelTimeoutError:
            self.inline_limit.bar(INLINE_TIMEOUT)
            return None
        self.inline_limit.in_loop(rows, time.thread_time() - begin)
        return found

    async def _threaded(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None, since: int) -> Answer:
        """Run in a thread; the time limit counts from `since`."""
        if self._waiting and self._waiting + rows > self._limits.queue:
            raise TooManyRequestsError(f"{self._waiting} rows wait for this model already", hint="try again later")
        if self._threads is None:
            self._threads = ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 2), "mlaas4hep-model")
        loop = asyncio.get_running_loop()
        submitted = time.perf_counter_ns()
        end = self._limits.timeout + since / 1e9
        gone = threading.Event()

        def work() -> tuple[Answer, float]:
            started = time.perf_counter_ns()
            if gone.is_set():
                raise ModelTimeoutError("the caller has gone")
            left = end - started / 1e9
            if left <= 0:
                raise ModelTimeoutError("too late")
            begin = time.thread_time()
            found = self._chunks(inputs, rows, outputs, left)
            return (found, started - submitted, time.perf_counter_ns() - started), time.thread_time() - begin

        self._waiting += rows
        self.acquire()
        future = loop.run_in_executor(self._threads, work)
        future.add_done_callback(lambda done: self._ended(done, rows))
        try:
            async with asyncio.timeout(max(0.0, end - submitted / 1e9) + LATE):
                answer, spent = await asyncio.shield(future)
        except asyncio.CancelledError:
            gone.set()
            raise
        except (TimeoutError, ModelTimeoutError) as error:
            gone.set()  # a single long operator: its thread goes on without a caller
            raise self._late() from error
        self._statistics.executed(rows, answer[2])
        self.inline_limit.in_thread(rows, spent)
        return answer

    def _late(self) -> ServingError:
        """Return why there is no answer within the limit."""
        if getattr(self.runtime, "starting", False):
            return ModelUnavailableError("the model's worker process is being started again", hint="try again later")
        return ModelTimeoutError(f"the model did not answer within {self._limits.timeout:g} s")

    def _ended(self, future: asyncio.Future[Any], rows: int) -> None:
        self._waiting -= rows
        self.release()
        if not future.cancelled():
            future.exception()  # seen, also if the caller has gone

    def _chunks(self, inputs: Tensors, rows: int, outputs: Sequence[str] | None, timeout: float) -> dict[str, Any]:
        if not self.batched or 0 < rows <= CHUNK:
            return self.runtime.run(inputs, outputs, timeout=timeout)
        if not rows:  # not every operator takes an empty batch
            one = {name: blank((1, *array.shape[1:]), array.dtype) for name, array in inputs.items()}
            found = self.runtime.run(one, outputs, timeout=timeout)
            return {name: array[:0] for name, array in found.items()}
        end = time.monotonic() + timeout
        parts = [
            self.runtime.run(
                {name: array[start : start + CHUNK] for name, array in inputs.items()},
                outputs,
                timeout=max(1e-3, end - time.monotonic()),
            )
            for start in range(0, rows, CHUNK)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
