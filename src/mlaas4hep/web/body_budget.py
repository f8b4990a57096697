"""The body budget: bytes of request bodies held in memory at a time, over all connections of a process."""

from __future__ import annotations

from starlette.types import Message, Receive

from mlaas4hep.errors.serving import OverloadedError
from mlaas4hep.web.errors import UnreadBodyError

__all__ = ["FULL", "BodyBudget", "BudgetedBody"]

FULL = "the server holds too many bytes of other requests"


class BodyBudget:
    """Sums the bodies that have arrived and are not answered yet.

    Args:
        limit: bytes; one request alone may be larger.
    """

    def __init__(self, limit: int = 2**30) -> None:
        self.limit = limit
        self.bytes = 0

    def room(self, size: int) -> bool:
        """Return whether this many more bytes may be held."""
        return not self.bytes or self.bytes + size <= self.limit

    def take(self, size: int) -> None:
        """Count bytes until they are given back.

        Raises:
            OverloadedError: there is no room.
        """
        if not self.room(size):
            raise OverloadedError(FULL, hint="try again later")
        self.bytes += size

    def give(self, size: int) -> None:
        """Give bytes back."""
        self.bytes -= size


class BudgetedBody:
    """Receives a body: counts what arrives, up to the limit of one request and the room there is for all.

    Whoever goes on reading after an error throws away what comes, and has a limit of its own.

    Args:
        receive: of ASGI.
        limit: bytes of this body.
        budget: None: what arrives is not kept in memory.
    """

    def __init__(self, receive: Receive, limit: int, budget: BodyBudget | None) -> None:
        self._receive = receive
        self._limit = limit
        self._budget = budget
        self._size = 0
        self._kept = 0
        self._told = False

    async def __call__(self) -> Message:
        """Return the next part.

        Raises:
            UnreadBodyError: the body is too large.
            OverloadedError: there is no room for it.
        """
        message = await self._receive()
        size = len(message.get("body", b""))
        if self._told or not size:
            return message
        self._size += size
        if self._size > self._limit:
            self._told = True
            raise UnreadBodyError(f"the body is larger than {self._limit} bytes")
        if self._budget is not None:
            try:
                self._budget.take(size)
            except OverloadedError:
                self._told = True
                self.end()
                raise
            self._kept += size
        return message

    def end(self) -> None:
        """Give back what was counted: the request is answered."""
        if self._budget is not None:
            self._budget.give(self._kept)
            self._kept = 0
