"""Reads ranges ahead of those who need them, in threads, and never more than fits into the budget."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

from mlaas4hep.streaming.execution import cancel

__all__ = ["Loader"]

Result = TypeVar("Result")


class Loader(Generic[Result]):
    """Results of reading, by number of the range.

    Args:
        order: numbers of all ranges, in the order in which they will be needed.
        sizes: size of each.
        read: reads one; called in threads.
        pool: threads.
        at_hand: what needs no reading, and no thread: the result, or None.
        budget: sum of the sizes of what is being read or held. What is needed is read even if it is more than that.
    """

    def __init__(
        self,
        order: Sequence[int],
        sizes: Mapping[int, int],
        read: Callable[[int], Result],
        *,
        pool: Executor,
        budget: int,
        at_hand: Callable[[int], Result | None] = lambda _number: None,
    ) -> None:
        self._order = order
        self._sizes = sizes
        self._read = read
        self._budget = budget
        self._places = {number: place for place, number in enumerate(order)}
        self._futures: dict[int, Future[Result]] = {}
        self._next = 0
        self._held = 0
        self._lock = threading.Lock()
        self._pool = pool
        self._at_hand = at_hand

    def get(self, number: int) -> Result:
        """Return the result of a range; waits for it. An error of reading is raised here."""
        with self._lock:
            self._advance(self._places[number])
            future = self._futures[number]
        return future.result()

    def release(self, number: int) -> None:
        """Nobody needs this range any more."""
        with self._lock:
            self._futures.pop(number)
            self._held -= self._sizes[number]
            self._advance(-1)

    def close(self) -> None:
        """Stop; waits for what is being read."""
        with self._lock:
            self._next = len(self._order)  # nothing more is started
            futures = list(self._futures.values())
        cancel(futures)

    def _advance(self, needed: int) -> None:
        while self._next < len(self._order):
            number = self._order[self._next]
            if self._next > needed and self._held + self._sizes[number] > self._budget:
                return
            self._held += self._sizes[number]
            self._futures[number] = self._begin(number)
            self._next += 1

    def _begin(self, number: int) -> Future[Result]:
        there = self._at_hand(number)
        if there is None:
            return self._pool.submit(self._read, number)
        future: Future[Result] = Future()
        future.set_result(there)
        return future
