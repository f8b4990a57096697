"""The one ASGI layer around the routes: request ids, access, limits, metrics, access log.

It looks at the headers once, and wraps nothing but the sending of the answer.
"""

from __future__ import annotations

import time

from starlette.types import Message, Receive, Scope, Send

from mlaas4hep.errors.serving import ServingError
from mlaas4hep.web.access.admission import Admission
from mlaas4hep.web.body_budget import BudgetedBody
from mlaas4hep.web.errors import UnreadBodyError, send_failure
from mlaas4hep.web.http.fast_path import FastPath
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Routes
from mlaas4hep.web.settings import WebSettings
from mlaas4hep.web.telemetry.logs import REQUEST_ID
from mlaas4hep.web.telemetry.request_log import RequestLog, outcome
from mlaas4hep.web.telemetry.state import State

__all__ = ["Gate"]

_WANTED = frozenset((b"authorization", b"x-request-id", b"content-length", b"transfer-encoding", b"host", b"origin"))


class Gate:
    """Admits, counts and logs the requests of the routes, as an ASGI application around them.

    Args:
        routes: answer what may go on.
        settings: of the server.
        state: of this process.
        admission: decides who may call.

    Attributes:
        fast_path: answers small predictions without ASGI; None: behind proxies, whose headers name the client.
    """

    def __init__(
        self,
        routes: Routes,
        settings: WebSettings,
        state: State,
        admission: Admission,
    ) -> None:
        self._routes = routes
        self._state = state
        self._admission = admission
        self._body, self._upload = settings.limits.body, max(settings.limits.upload, settings.limits.body)
        self._request_log = RequestLog(state, settings.log_requests)
        self.fast_path = (
            None if settings.proxies else FastPath(routes, state, self._request_log, self._body, self._admission)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        start = time.perf_counter()
        method, client = scope["method"], scope.get("client")
        fields = {name: value for name, value in scope["headers"] if name in _WANTED}
        found = self._routes.find(method, scope["path"])
        length = fields.get(b"content-length")
        chunked = b"transfer-encoding" in fields
        number = self._state.request_id(fields.get(b"x-request-id"))
        REQUEST_ID.set(number)
        header = (b"x-request-id", number.encode())
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        metrics = self._state.metrics
        metrics.in_flight += 1
        caller = None
        incoming: BudgetedBody | None = None
        try:
            try:
                if found.right is not Right.OPEN:
                    caller = await self._admission.caller(fields.get(b"authorization"), client)
                    self._admission.count(caller, client)
                    self._admission.allow(method, found.right, caller, fields.get(b"host"), fields.get(b"origin"))
                if chunked or length is not None:
                    disk = found.call is not None and found.call.body == "disk"
                    limit = self._upload if disk else self._body
                    if length is not None and (len(length) > 18 or not length.isdigit() or int(length) > limit):
                        raise UnreadBodyError(f"the body is larger than {limit} bytes")
                    receive = incoming = BudgetedBody(receive, limit, None if disk else self._state.bodies)
                await self._routes(scope, receive, answer)
            except ServingError as error:
                if status:
                    raise
                await send_failure(error, receive, answer, unread=chunked or length not in (None, b"0"))
            if incoming is not None:
                incoming.end()
            status = await outcome(scope, status)
        finally:
            metrics.in_flight -= 1
            if incoming is not None:
                incoming.end()
            self._request_log.ended(method, found.path, found.template, found.right, status, start, client, caller)
