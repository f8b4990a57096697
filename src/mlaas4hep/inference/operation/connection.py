"""One HTTP connection: uvicorn's, with time limits for slow clients and a short way for small predictions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mlaas4hep.inference.operation.outgoing import Outgoing
from mlaas4hep.inference.operation.short_way import Hot, ShortWay
from mlaas4hep.inference.operation.state import State
from mlaas4hep.inference.rest.replies import Reply

__all__ = ["KEEP_ALIVE", "Connection"]

KEEP_ALIVE = 75
PROGRESS = 64 * 1024
SMALL = 64 * 1024
FULL = b'{"error":"too many connections"}'
LATE = b'{"error":"the request did not arrive in time"}'
NEW, HEAD, BODY, DONE = range(4)
UNUSUAL = frozenset((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"))
"""Headers of requests that go the usual way."""


class Connection(HttpToolsProtocol):
    """One connection; knows since when it waits for its client.

    A prediction that arrives in one piece goes the short way, the first of each piece: a client that sends many at a
    time takes turns with the others. All else is uvicorn's: with a task, through ASGI.

    Attributes:
        short_way: None: all requests go the usual way.
        outgoing: sends what goes the short way.
        phase: nothing arrived yet, in the head, in the body, the request is complete.
        since: when the phase began, by the loop's clock.
        arrived: bytes of the body since then.
        stuck: when the client stopped to read the answer; None: it reads.
    """

    limit = 10_000
    state: State
    outgoing: Outgoing
    short_way: ShortWay | None = None
    cycle: Any
    draining = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse one too many."""
        super().connection_made(transport)
        self.phase, self.since, self.arrived = NEW, self.loop.time(), 0
        self.stuck: float | None = None
        self._turn = False
        self._hot: Hot | None = None
        self._fields: Mapping[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self.state.connections = len(self.connections)
        if len(self.connections) > self.limit:
            self.turn_away(b"503 Service Unavailable", FULL, b"retry-after: 1\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Count."""
        super().connection_lost(exc)
        self.state.connections = len(self.connections)

    def data_received(self, data: bytes) -> None:
        """A piece arrived; what it leaves incomplete goes the usual way."""
        self._turn = True
        super().data_received(data)
        if self._hot is not None:
            self._hot = None
            if not self.transport.is_closing():
                self._begin(self.app)
                super().on_body(b"".join(self._parts))

    def on_message_begin(self) -> None:
        """A request begins; what ASGI needs for it is made when it goes that way."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.phase, self.since = HEAD, self.loop.time()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self.phase, self.since, self.arrived = BODY, self.loop.time(), 0
        self._hot = self._find()
        if self._hot is None:
            self._begin(self.app)

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self.arrived += len(body)
        if self._hot is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """It is complete."""
        self.phase = DONE
        hot, self._hot = self._hot, None
        if hot is None or self.short_way is None:
            super().on_message_complete()
            return
        body = b"".join(self._parts)
        found = self.short_way.answer(hot, self._fields, self.client, body)
        if isinstance(found, tuple):
            self._turn = False
            self._write(*found)
        else:
            self._begin(found or self.app)
            super().on_body(body)
            super().on_message_complete()

    def _find(self) -> Hot | None:
        """What answers the request the short way, if its head allows that."""
        if (
            self.short_way is None
            or not self._turn
            or self.draining
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.flow.write_paused
            or self.parser.get_method() != b"POST"
            or (hot := self.short_way.find(self.url)) is None
        ):
            return None
        fields = dict(self.headers)
        length = fields.get(b"content-length", b"")
        if (
            len(fields) == len(self.headers)
            and UNUSUAL.isdisjoint(fields)
            and 0 < len(length) < 6
            and length.isdigit()
            and int(length) <= self.short_way.largest
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
        ):
            self._fields, self._parts = fields, []
            return hot
        return None

    def _begin(self, app: ASGIApp) -> None:
        """The usual way: uvicorn makes the scope and a task for the application."""
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers += headers
        self.app, usual = app, self.app
        try:
            super().on_headers_complete()
        finally:
            self.app = usual
        if self.draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def _write(self, reply: Reply, number: bytes) -> None:
        """Send an answer, together with others."""
        parts = [STATUS_LINE[reply.status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for name, value in reply.headers:
            parts += (name, b": ", value, b"\r\n")
        size = b"%d" % len(reply.body)
        parts += (b"content-type: ", reply.kind, b"\r\ncontent-length: ", size, b"\r\nx-request-id: ", number)
        parts += (b"\r\n\r\n", reply.body)
        self.outgoing.write(self.transport, b"".join(parts))
        self.server_state.total_requests += 1
        self.since = self.loop.time()

    def on_response_complete(self) -> None:
        """The answer is on its way; without a timer for each: `check` closes connections that stay idle."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.since = self.loop.time()
        self.flow.resume_reading()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self.stuck = self.loop.time()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self.stuck = None

    def turn_away(self, status: bytes, body: bytes, header: bytes = b"") -> None:
        """Answer without a request, and close."""
        self.outgoing.send()
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b"
            % (status, len(body), header, body)
        )
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP; uvicorn would say so in plain text."""
        self.turn_away(b"400 Bad Request", orjson.dumps({"error": msg}))

    def check(self, now: float, limit: float) -> None:
        """End the connection if its client let it wait for too long."""
        if self.transport.is_closing():
            return
        if self.stuck is not None and now - self.stuck > limit:
            self.transport.abort()
            return
        if self.phase == DONE and self.idle and now - self.since > KEEP_ALIVE:
            self.transport.close()
        if self.phase == DONE or now - self.since <= limit:
            return
        if self.phase == BODY and (self.flow.read_paused or self.arrived >= PROGRESS):
            self.since, self.arrived = now, 0
        elif self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
        else:
            self.turn_away(b"408 Request Timeout", LATE)

    @property
    def idle(self) -> bool:
        """Between two requests, or before the first."""
        return self.phase == NEW or (self.phase == DONE and (self.cycle is None or self.cycle.response_complete))
