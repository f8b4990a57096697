"""Runs pure functions over tasks, several at a time, with the results in the order of the tasks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent import futures
from contextlib import nullcontext
from itertools import islice
from typing import TypeVar

__all__ = ["Executor", "cancel", "threads"]

Task = TypeVar("Task")
Result = TypeVar("Result")


class Executor:
    """Where functions of tasks run: in threads, or in a pool with the interface of `concurrent.futures`.

    The functions that go through here (specs, chunks, predictions, evaluations, raw reading) are pure, and with their
    tasks and results can be pickled. So the pool may be one of processes, or that of Dask (`Client.get_executor`).

    Args:
        workers: tasks that run at the same time.
        pool: runs the tasks and stays open. Default: as many threads, which end with each `map`.
    """

    thorough = False
    """True if errors in files are raised only after all other files were looked at."""

    def __init__(self, workers: int = 1, pool: futures.Executor | None = None) -> None:
        self.workers = workers
        self._pool = pool

    def call(self, function: Callable[[Task], Result], task: Task) -> Result:
        """Return the result of one task: from the pool, or without one from the caller's own thread."""
        return function(task) if self._pool is None else self._pool.submit(function, task).result()

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], ahead: int | None = None
    ) -> Generator[Result, None, None]:
        """Yield the results in the order of the tasks.

        The first error is raised at its place. After it, or when the caller stops, no task is started.

        Args:
            function: of one task.
            tasks: taken one after another, as they are needed.
            ahead: tasks that may run or wait for the caller. Default: two for each worker, and none with one worker
                and no pool, where the caller's own thread does the work.
        """
        if self._pool is None and self.workers == 1 and ahead is None:
            yield from map(function, tasks)
            return
        waiting: deque[futures.Future[Result]] = deque()
        rest = iter(tasks)
        with nullcontext(self._pool) if self._pool else threads(self.workers, "work") as pool:
            try:
                waiting.extend(pool.submit(function, task) for task in islice(rest, ahead or 2 * self.workers))
                while waiting:
                    result = waiting.popleft().result()
                    waiting.extend(pool.submit(function, task) for task in islice(rest, 1))
                    yield result
            finally:
                cancel(waiting)


def threads(workers: int, name: str) -> futures.ThreadPoolExecutor:
    """Return a pool of threads, named for whoever looks at them."""
    return futures.ThreadPoolExecutor(workers, thread_name_prefix=f"mlaas4hep-{name}")


def cancel(begun: Iterable[futures.Future[Result]]) -> None:
    """Cancel what has not started, and wait for what has."""
    futures.wait([future for future in begun if not future.cancel()])
