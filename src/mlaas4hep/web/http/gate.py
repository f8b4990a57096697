"""The one ASGI layer around all routes: request ids, rights, limits, health, metrics, access log.

It looks at the headers once, and wraps nothing but the sending of the answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

import orjson
from starlette.types import Message, Receive, Scope, Send

from mlaas4hep.errors.serving import ServingError, UnauthorisedError
from mlaas4hep.web.access.origins import Origins
from mlaas4hep.web.access.rate import Rate, client_key
from mlaas4hep.web.access.refusal import refuse
from mlaas4hep.web.access.tokens import Authenticator
from mlaas4hep.web.body_budget import Incoming
from mlaas4hep.web.errors import UnreadBodyError
from mlaas4hep.web.http.fast_path import ShortWay
from mlaas4hep.web.replies import Answering
from mlaas4hep.web.rights import Right, right_of_http
from mlaas4hep.web.settings import WebSettings
from mlaas4hep.web.telemetry.accounts import Accounts, outcome
from mlaas4hep.web.telemetry.logs import REQUEST_ID
from mlaas4hep.web.telemetry.state import State
from mlaas4hep.web.telemetry.templates import OTHER

__all__ = ["Gate"]


class Routes(Protocol):
    """An ASGI application that answers some requests without ASGI too."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

    def answering(self, path: str) -> Answering | None:
        """Give what answers POST requests of a whole path at once; None: nothing does."""


_WANTED = frozenset((b"authorization", b"x-request-id", b"content-length", b"transfer-encoding"))
_HEADERS = frozenset((b"host", b"origin"))
_PLAIN = re.compile(r"/(?:v2/)?health/(live|ready)")
_UPLOADS = frozenset({"/upload", "/api/models", "/predict/root"})
_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class Gate:
    """ASGI application around the routes.

    Args:
        app: the routes.
        settings: of the server.
        state: of this process.
        metrics: gives the text of ``GET /metrics``.
        authenticator: None: everybody may do everything.
        rate: None: without limit.
        templates: gives a path's template, for metrics.

    Attributes:
        short_way: answers small predictions without it; None: nothing does.
    """

    def __init__(
        self,
        app: Routes,
        settings: WebSettings,
        state: State,
        metrics: Callable[[], bytes],
        authenticator: Authenticator | None = None,
        rate: Rate | None = None,
        templates: Callable[[str], str] = lambda _path: OTHER,
    ) -> None:
        self._app = app
        self._state = state
        self._metrics = metrics
        self._authenticator = authenticator
        self._origins = Origins(settings) if authenticator is None else None
        self._wanted = _WANTED | _HEADERS if authenticator is None else _WANTED
        self._rate = rate
        self._template = templates
        self._base = settings.base_path.rstrip("/")
        self._open_metrics = settings.security.open_metrics
        self._body, self._upload = settings.limits.body, max(settings.limits.upload, settings.limits.body)
        self._accounts = Accounts(state, settings.log_requests)
        self.short_way = None
        if not settings.proxies:  # whose headers say where a request comes from
            self.short_way = ShortWay(
                app.answering, templates, self._base, state, self._accounts, self._body, self._origins,
                authenticator, rate,
            )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        authorization = given = length = coding = host = origin = None
        wanted = self._wanted
        for name, value in scope["headers"]:
            if name in wanted:
                if name == b"host":
                    host = value
                elif name == b"authorization":
                    authorization = value
                elif name == b"x-request-id":
                    given = value
                elif name == b"content-length":
                    length = value
                elif name == b"origin":
                    origin = value
                else:
                    coding = value
        method, path = scope["method"], scope["path"]
        ours = not self._base
        if self._base and path.startswith(f"{self._base}/"):
            path, ours = path[len(self._base) :], True
        right = right_of_http(method, path)
        number = self._state.request_id(given)
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
        incoming: Incoming | None = None
        try:
            try:
                if self._origins is not None and right is not Right.OPEN:
                    self._origins.check(method, host, origin)
                await self._enter(scope, method, path, right, authorization, length)
                inner = ours and (
                    path.startswith("/health/")
                    or path == "/metrics"
                    or (path == "/v2/health/ready" and not self._state.ready)
                )
                if inner and await self._own(method, path, answer):
                    return
                if coding is not None or length is not None:
                    stored = method == "POST" and path in _UPLOADS
                    incoming = Incoming(receive, self._limit(method, path), None if stored else self._state.held)
                    receive = incoming
                await self._app(scope, receive, answer)
            except ServingError as error:
                if status:
                    raise
                large = coding is not None or (length is not None and length != b"0")
                await refuse(error, receive, answer, unread=large)
            if incoming is not None:
                incoming.end()
            status = await outcome(scope, status)
        finally:
            metrics.in_flight -= 1
            if incoming is not None:
                incoming.end()
            self._accounts.ended(
                method, path, self._template(path), right, status, start, scope.get("client"), scope.get("caller")
            )

    async def _enter(
        self, scope: Scope, method: str, path: str, right: Right, authorization: bytes | None, length: bytes | None
    ) -> None:
        """Raises `ServingError` if the request may not go on."""
        if path == "/metrics" and self._open_metrics:
            right = Right.OPEN
        caller = None
        if self._authenticator is not None and right is not Right.OPEN:
            try:
                caller = await self._authenticator.caller(authorization)
            except UnauthorisedError:
                self._count(scope, None)  # guesses are limited too
                raise
            scope["caller"] = caller
            self._count(scope, caller.key)
            self._authenticator.permit(caller, right)
        elif right is not Right.OPEN:
            self._count(scope, None)
        if length is not None:
            limit = self._limit(method, path)
            if len(length) > 18 or not length.isdigit() or int(length) > limit:
                raise UnreadBodyError(f"the body is larger than {limit} bytes")

    def _count(self, scope: Scope, key: bytes | None) -> None:
        if self._rate is None:
            return
        client = scope.get("client")
        self._rate.count(key if key is not None else client_key(client[0] if client else ""))

    def _limit(self, method: str, path: str) -> int:
        return self._upload if method == "POST" and path in _UPLOADS else self._body

    async def _own(self, method: str, path: str, send: Send) -> bool:
        """Answer what is not of the routes; False if it is of them."""
        status, kind = HTTPStatus.OK, b"application/json"
        if path == "/metrics":
            body, kind = self._metrics(), _TEXT
        elif match := _PLAIN.fullmatch(path):
            name = match[1]
            good = name == "live" or self._state.ready
            body = orjson.dumps({name: good})
            status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        else:
            return False
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
        if method not in ("GET", "HEAD"):
            status, body = HTTPStatus.METHOD_NOT_ALLOWED, orjson.dumps({"error": "Method Not Allowed"})
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"allow", b"GET, HEAD"),
            ]
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": body if method != "HEAD" else b""})
        return True
