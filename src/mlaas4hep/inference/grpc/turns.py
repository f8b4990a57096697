"""Calls that come at the same time are answered one after the other, instead of each when it comes.

gRPC waits for sockets in a thread of its own. Whenever the event loop lets go of the interpreter, as each run of a
model does, that thread takes over if anything has arrived, and the change costs several times what a small model takes.
Calls in a row share it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from types import CoroutineType
from typing import Any, TypeAlias, TypeVar

__all__ = ["Turns"]

Done = TypeVar("Done")
_Waiting: TypeAlias = tuple[asyncio.Future[Any], Callable[[], Any], Context]
PAUSE = 0.002
"""Seconds that calls are gathered for."""
WORTH = 8
"""Calls in a pause from which on it saves more than it costs."""
LONG = 0.005
"""Seconds after which others have their turn."""
LAST = 16
"""Pauses over which the number is averaged."""
SOON, SELDOM = 16, 1024
"""Calls between two looks at how many come in a pause; the number doubles as long as they are few."""


class Turns:
    """Gathers calls for a moment, then lets them go on together.

    As long as few come in that time none is held back, but for one in many, to see whether they still are few.

    Attributes:
        gathering: calls are gathered.
    """

    def __init__(self) -> None:
        self.gathering = False
        self._waiting: list[_Waiting] = []
        self._mean = 0.0
        self._left = self._between = SOON

    async def do(self, work: Callable[[], Done]) -> Done:
        """Do the work in its turn; return what it returns, or a task, if that is a coroutine that had to wait."""
        waiting = self._waiting
        if not self.gathering and not waiting:
            self._left -= 1
            if self._left > 0:
                return work()
        loop = asyncio.get_running_loop()
        if not waiting:
            loop.call_later(PAUSE, self._pause_ends)
        future: asyncio.Future[Done] = loop.create_future()
        waiting.append((future, work, copy_context()))
        return await future

    def _pause_ends(self) -> None:
        number = len(self._waiting)
        self._mean = self._mean + (number - self._mean) / LAST if self.gathering else float(number)
        self.gathering = self._mean >= WORTH
        self._between = SOON if self.gathering else min(2 * self._between, SELDOM)
        self._left = self._between
        waiting, self._waiting = self._waiting, []
        self._go(waiting)

    def _go(self, waiting: Sequence[_Waiting]) -> None:
        """Do the work of all, with a break for others when it takes long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + LONG
        for index, (future, work, context) in enumerate(waiting):
            if future.done():  # the caller has gone
                continue
            try:
                found = context.run(work)
            except Exception as error:
                future.set_exception(error)
            else:
                if isinstance(found, CoroutineType):  # goes on even if the caller has gone before it could await it
                    found = loop.create_task(found, context=context)
                    found.add_done_callback(_seen)
                future.set_result(found)
            if loop.time() > end:
                loop.call_soon(self._go, waiting[index + 1 :])
                return


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
