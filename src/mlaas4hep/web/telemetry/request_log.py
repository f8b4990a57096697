"""The request log: counts every HTTP request once it is answered, and writes a line of some."""

from __future__ import annotations

import random
import time

from starlette.types import Scope

from mlaas4hep.web.access.admission import Client
from mlaas4hep.web.access.tokens import Caller
from mlaas4hep.web.rights import Right
from mlaas4hep.web.telemetry.logs import ACCESS
from mlaas4hep.web.telemetry.state import State

__all__ = ["BROKEN", "CUT_OFF", "DELIVERED", "RequestLog", "log_request", "outcome"]

BROKEN = 499
"""Status in metrics and log of an answer that its client did not take to the end."""
CUT_OFF = "CANCELLED"
"""The same for calls of gRPC."""
DELIVERED = "mlaas4hep.delivered"
"""Extension of the scope: a function to await until an answer has gone out; false if the client did not take it."""
STATUS = {status: str(status) for status in range(600)}


class RequestLog:
    """Counts and logs the requests of one process.

    Args:
        state: holds the counters.
        share: of the successful predictions and reads that are logged.
    """

    def __init__(self, state: State, share: float) -> None:
        self._metrics = state.metrics
        self._share = share

    def ended(
        self,
        method: str,
        path: str,
        template: str,
        right: Right,
        status: int,
        start: float,
        client: Client,
        caller: Caller | None,
    ) -> None:
        """Count a request that was answered, and log it if it failed, changed something, or is drawn.

        Args:
            method: of it.
            path: without the base path.
            template: the path without names.
            right: it needed.
            status: of the answer; 0: there was none.
            start: when it began, by `time.perf_counter`.
            client: its address.
            caller: whom its token names.
        """
        seconds = time.perf_counter() - start
        self._metrics.request("http", method if len(method) < 8 else "OTHER", template, STATUS[status], seconds)
        if status >= 400 or status == 0 or right is Right.MANAGE or (self._share and random.random() < self._share):
            log_request(method, path, status, seconds, client, caller)


def log_request(
    method: str, path: str, status: int | str, seconds: float, client: Client, caller: Caller | None
) -> None:
    """Write the line of a request that was answered; `path` is without the base path."""
    fields = {
        "client": client[0] if client else "",
        "subject": caller.subject if caller else "",
        "method": method,
        "path": path[:500],
        "status": status,
        "milliseconds": round(seconds * 1000, 3),
    }
    ACCESS.info("request", extra={"fields": fields})


async def outcome(scope: Scope, status: int) -> int:
    """Return the status that counts, once the answer has gone out.

    Args:
        scope: of the request.
        status: that was sent; 0: none.
    """
    wait = scope.get("extensions", {}).get(DELIVERED)
    return status if not status or wait is None or await wait() else BROKEN
