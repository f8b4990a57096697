"""The signals of a server process: SIGTERM and SIGINT stop it, the second at once; SIGHUP opens its log anew."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

__all__ = ["Signals"]


class Signals:
    """Listens to the signals of this process, in the running event loop.

    Args:
        hang_up: called for SIGHUP.
        supervisor: a descriptor whose end means a stop as well; None: there is no supervisor.
        at_once: called before a second signal ends the process.

    Attributes:
        stop: set once the process has to stop.
    """

    def __init__(
        self, hang_up: Callable[[], None], supervisor: int | None = None, at_once: Callable[[], None] = lambda: None
    ) -> None:
        self.stop = asyncio.Event()
        self._at_once = at_once
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, hang_up)
        if supervisor is not None:
            loop.add_reader(supervisor, self._end_with, supervisor)

    async def unless_stopped(self, work: Awaitable[None]) -> bool:
        """Do it, or cancel it when the process has to stop; return whether it was done."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            await task
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False

    def _stop(self, number: int) -> None:
        if self.stop.is_set():
            self._at_once()
            os._exit(128 + number)
        self.stop.set()

    def _end_with(self, supervisor: int) -> None:
        if not os.read(supervisor, 4096):
            asyncio.get_running_loop().remove_reader(supervisor)
            self.stop.set()
