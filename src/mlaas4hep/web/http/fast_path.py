"""The fast path of small predictions: admitted, answered and counted in one go, without a task and without ASGI.

It does what the gate does, and leaves to the gate what is not usual: a token that was not seen before, a request that
may not go on, a path whose handler is not `Fast`. What has to be waited for becomes an ASGI application.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from mlaas4hep.errors.serving import ServingError
from mlaas4hep.web.access.admission import Admission, Client
from mlaas4hep.web.access.tokens import Caller
from mlaas4hep.web.replies import PendingReply, Reply, send_reply
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Fast, Routes
from mlaas4hep.web.telemetry.logs import REQUEST_ID
from mlaas4hep.web.telemetry.request_log import RequestLog, outcome
from mlaas4hep.web.telemetry.state import State

__all__ = ["FastCall", "FastPath"]

LONGEST = 512
SMALL = 2**16
"""Bytes of an answer that fits in the system's buffers: nobody has to wait for its client."""
ODD = frozenset(b"?%#")


class FastCall(NamedTuple):
    """Holds a target that is answered this way.

    Attributes:
        path: without the base path.
        template: without names.
        right: that it needs.
        answer: returns the reply to header fields, each given once, and body.
    """

    path: str
    template: str
    right: Right
    answer: Callable[[Mapping[bytes, bytes], bytes], PendingReply]


class FastPath:
    """Of one process.

    Args:
        routes: the table.
        state: of this process.
        request_log: told of every request.
        largest: bytes of a body.
        admission: decides who may call.

    Attributes:
        largest: as given.
    """

    def __init__(
        self, routes: Routes, state: State, request_log: RequestLog, largest: int, admission: Admission
    ) -> None:
        self.largest = largest
        self._routes = routes
        self._state = state
        self._request_log = request_log
        self._bodies = state.bodies
        self._admission = admission
        self._remembered = functools.lru_cache(maxsize=1024)(self._look)

    def find(self, url: bytes) -> FastCall | None:
        """Return what answers a POST request for this target; None: the slow path."""
        return self._remembered(url) if len(url) <= LONGEST else None

    def answer(
        self, call: FastCall, fields: Mapping[bytes, bytes], client: Client, body: bytes
    ) -> tuple[Reply, bytes] | ASGIApp | None:
        """Return the reply and the request's id; an application that gives it later; None: nothing was done.

        Args:
            call: what was found.
            fields: the headers, each given once.
            client: address of the client.
            body: all of it.
        """
        start = time.perf_counter()
        admission = self._admission
        if not self._bodies.room(len(body)):
            return None
        caller = admission.remembered(fields.get(b"authorization")) if admission.tokens else None
        if caller is None and admission.tokens:
            return None
        try:
            admission.allow("POST", call.right, caller, fields.get(b"host"), fields.get(b"origin"))
            if admission.limited:
                admission.count(caller, client)
        except ServingError:
            return None
        number = self._state.request_id(fields.get(b"x-request-id"))
        token = REQUEST_ID.set(number)
        try:
            reply = call.answer(fields, body)
            if not isinstance(reply, Reply) or len(reply.body) > SMALL:
                return self._later(call, reply, number, start, len(body), caller)
            self._request_log.ended("POST", call.path, call.template, call.right, reply.status, start, client, caller)
        finally:
            REQUEST_ID.reset(token)
        return reply, number.encode()

    def _later(
        self, call: FastCall, reply: PendingReply, number: str, start: float, size: int, caller: Caller | None
    ) -> ASGIApp:
        metrics = self._state.metrics
        metrics.in_flight += 1
        self._bodies.take(size)

        async def application(scope: Scope, _: Receive, send: Send) -> None:
            REQUEST_ID.set(number)
            status = 0
            try:
                found = reply if isinstance(reply, Reply) else await reply
                status = found.status
                await send_reply(found._replace(headers=(*found.headers, (b"x-request-id", number.encode()))), send)
                status = await outcome(scope, status)
            finally:
                metrics.in_flight -= 1
                self._bodies.give(size)
                self._request_log.ended(
                    "POST", call.path, call.template, call.right, status, start, scope["client"], caller
                )

        return application

    def _look(self, url: bytes) -> FastCall | None:
        if not url.startswith(b"/") or not url.isascii() or not ODD.isdisjoint(url):
            return None
        found = self._routes.find("POST", url.decode())
        handler = found.call.handler if found.call is not None else None
        if not isinstance(handler, Fast) or found.right is Right.OPEN:
            return None
        return FastCall(found.path, found.template, found.right, functools.partial(handler.answer, found.parameters))
