"""A stop that fails no call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["GracefulStop"]

STEP = 0.02
"""Seconds between two looks."""
QUIET_STEPS = 3
HOLD_STEPS = 50


class GracefulStop:
    """Holds answers back until clients know that the server goes away.

    gRPC fails calls that wait to be taken when a server stops. So answers are held back until no call waits any more
    (clients that wait for an answer send nothing), and go out once clients have been told.

    Attributes:
        taken: calls that the server has looked at.
        begun: calls whose message has arrived.
        held: to be awaited before an answer goes out; None: the server does not stop.
    """

    def __init__(self) -> None:
        self.taken = self.begun = 0
        self.held: asyncio.Event | None = None

    async def stop(self, stop: Callable[[], Awaitable[None]], sent: Callable[[], int]) -> None:
        """Stop a server.

        Args:
            stop: stops it and waits for calls under way.
            sent: returns how many calls clients have begun.
        """
        self.held = asyncio.Event()
        seen, quiet, left = -1, 0, HOLD_STEPS
        while (quiet < QUIET_STEPS or self.taken < sent()) and left:
            quiet = quiet + 1 if seen == self.begun else 0
            seen, left = self.begun, left - 1
            await asyncio.sleep(STEP)
        task = asyncio.ensure_future(stop())
        await asyncio.wait({task}, timeout=QUIET_STEPS * STEP)
        self.held.set()
        await task
