"""One HTTP connection: uvicorn's, with limits on heads, on what stands around bodies, and on the client's time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
import orjson
from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlaas4hep.web.http.gathered_writes import GatheredWrites
from mlaas4hep.web.http.request_head import FRAMING, LARGEST, MOST, SLACK, HeadError, check_head
from mlaas4hep.web.http.write_stall import PROGRESS, WriteStall
from mlaas4hep.web.telemetry.metrics import OTHER
from mlaas4hep.web.telemetry.request_log import DELIVERED
from mlaas4hep.web.telemetry.state import State

__all__ = ["BODY", "DONE", "HEAD", "KEEP_ALIVE", "LimitedConnection"]

KEEP_ALIVE = 75
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 2**20
STEP = 4096
"""Bytes that are parsed at a time where requests may begin."""
NEW, HEAD, BODY, DONE, ENDED = range(5)
FULL, LATE = "too many connections", "the request did not arrive in time"
LARGE = f"the head of a request, and what stands between and behind its chunks, may have {LARGEST} bytes"
MANY = f"a request may have {MOST} headers"
MALFORMED = "the request is not HTTP"


class _Flow(FlowControl):
    """uvicorn's flow control, which reads on with every answer, however much waits."""

    held = False

    def resume_reading(self) -> None:
        """Read on, unless something is held back."""
        if not self.held:
            super().resume_reading()


class LimitedConnection(HttpToolsProtocol):
    """One connection; knows how long it has waited for its client.

    A request that is refused here is answered after those before it, and is the last one; what the client goes on
    sending is thrown away for a moment, so that it finds the answer.

    Attributes:
        writes: of the process; takes the replies of the fast path.
        phase: nothing arrived yet, in the head, in the body, the request is complete, nothing more is taken.
        since: when the phase began or the client last got on, by the loop's clock.
        arrived: bytes of the body since then.
        fields: headers of the request by name, the last of each.
    """

    limit = 10_000
    state: State
    writes: GatheredWrites
    cycle: Any
    flow: _Flow

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse one too many."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self.phase, self.since, self.arrived = NEW, self.loop.time(), 0
        self.fields: dict[bytes, bytes] = {}
        self._piece = self._seen = self._open = self._around = self._inside = 0
        self._chunked = self._upgrade = self._got_on = False
        self._rest = b""
        self._error: HeadError | None = None
        self._refusal: HeadError | None = None
        self._cut = False
        self._stall = WriteStall()
        self.state.connections = len(self.connections)
        if len(self.connections) > self.limit:
            self.refuse(HeadError(503, FULL), b"retry-after: 1\r\n", linger=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count, and note whether an answer was cut off."""
        self._cut = self._cut or (exc is not None and self._stall.waits)
        super().connection_lost(exc)
        self.state.connections = len(self.connections)

    def data_received(self, data: bytes) -> None:
        """Parse a piece, as long as the request stays within its limits."""
        if self.phase == ENDED:
            self.arrived += len(data)
            if self.arrived > LINGER_BYTES:
                self.transport.abort()
        else:
            self._take(self._rest + data)

    def _take(self, data: bytes) -> None:
        """Parse as much as leaves few requests waiting; what is over is parsed when these are answered."""
        start, size = 0, len(data)
        self._hold(b"")
        while start < size and self.phase != ENDED:
            if self.pipeline:
                self._hold(data[start:])
                return
            end = start + max(STEP, self._owed())
            self._feed(data[start:end] if start or end < size else data)
            start = end

    def _owed(self) -> int:
        """Bytes that certainly belong to the body that is arriving."""
        if self.phase != BODY or self._chunked:
            return 0
        return int(self.fields.get(b"content-length", b"0")) - self._inside

    def _hold(self, rest: bytes) -> None:
        """Leave these bytes over; as long as there are some, no more are read."""
        self._rest = rest
        self.flow.held = bool(rest)
        if rest:
            self.flow.pause_reading()

    def _go_on(self) -> None:
        """Parse what was left over, once nothing waits before it."""
        if self._rest and not self.pipeline and not self.transport.is_closing():
            self.data_received(b"")
            if not self._rest:
                self.flow.resume_reading()

    def _feed(self, data: bytes) -> None:
        self._got_on, self._piece = False, len(data)
        self._seen += self._piece
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.refuse(self._error or HeadError(400, MALFORMED))
        if self.phase == HEAD or (self.phase == BODY and self._chunked):
            self._open = 0 if self._got_on else self._open + len(data)
            self._around += len(data)
            if self._open > LARGEST or (self.phase == BODY and self._around > LARGEST + SLACK * self._inside):
                self.refuse(HeadError(431, LARGE))

    def _stay(self, rest: bytes) -> None:
        """Take a request that offers another protocol as one that does not: the parser would leave its body out."""
        if self.phase == ENDED or self._error is not None:
            return
        version = self.parser.get_http_version().encode()
        parts = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                parts += (name, b": ", value, b"\r\n")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"".join((*parts, b"\r\n", rest)))

    def on_message_begin(self) -> None:
        """A request begins; what ASGI needs for it is made when it goes that way."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.phase, self.since, self._got_on = HEAD, self.loop.time(), True
        self._seen = self._piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a field behind the chunks, which nobody here looks at."""
        if self.phase != HEAD:
            return
        if len(self.headers) >= MOST:
            self._error = HeadError(431, MANY)
            raise self._error
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head is complete: checked here, then begun."""
        self.fields = fields = dict(self.headers)
        try:
            check_head(self.parser.get_method(), self.parser.get_http_version(), self.url, self.headers, fields)
            if self._seen > LARGEST:
                size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
                if size > LARGEST:
                    raise HeadError(431, LARGE)
        except HeadError as error:
            self._error = error
            raise
        self._upgrade = self.parser.should_upgrade()
        if self._upgrade:
            return
        self.phase, self.since, self.arrived = BODY, self.loop.time(), 0
        self._chunked = FRAMING in fields
        self._open = self._around = self._inside = 0
        self.begun()

    def begun(self) -> None:
        """Answer a request whose head is good."""
        self.begin(self.app)

    def begin(self, app: ASGIApp) -> None:
        """Let uvicorn make the scope of the request, and a task for the application."""
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers += headers
        self.app, usual = app, self.app
        try:
            super().on_headers_complete()
        finally:
            self.app = usual
        cycle = self.cycle

        async def delivered() -> bool:
            if self.flow.write_paused and not cycle.disconnected:
                await self.flow.drain()
            return not (self._cut or cycle.disconnected)

        cycle.scope["extensions"] = {DELIVERED: delivered}

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self.arrived += len(body)
        self._inside += len(body)
        self._got_on = True
        self.part(body)

    def part(self, body: bytes) -> None:
        """A part of its body arrived."""
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is complete."""
        if self._upgrade:
            return
        self.phase = DONE
        self.completed()

    def completed(self) -> None:
        """The request has arrived."""
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is on its way; without a timer for each: `check` closes connections that stay idle."""
        if self._rest:
            self.loop.call_soon(self._go_on)
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.since = self.loop.time()
        if self._refusal is not None:
            self._turn_away(self._refusal)
        else:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        super().pause_writing()
        self._stall.begin(self.loop.time(), self.transport)

    def resume_writing(self) -> None:
        """It has read enough."""
        super().resume_writing()
        self._stall.end()

    def refuse(self, error: HeadError, header: bytes = b"", *, linger: bool = True) -> None:
        """Take nothing more; answer so once all requests before this one are answered."""
        if self.transport.is_closing() or self.phase == ENDED:
            return
        own, self.phase = self.phase == BODY, ENDED
        self._hold(b"")
        self.since, self.arrived = self.loop.time(), 0
        self.state.metrics.request("http", "OTHER", OTHER, str(error.status), 0.0)
        cycle = self.cycle
        if own and self.pipeline:
            self.pipeline.popleft()[0].disconnected = True
        elif own and cycle is not None and not cycle.response_complete:
            if cycle.response_started:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
            cycle = None
        if self.pipeline or (cycle is not None and not cycle.response_complete):
            self._refusal = error
        else:
            self._turn_away(error, header, linger=linger)

    def _turn_away(self, error: HeadError, header: bytes = b"", *, linger: bool = True) -> None:
        self._refusal = None
        self.since = self.loop.time()
        self.writes.flush()
        if self.transport.is_closing():
            return
        body = orjson.dumps({"error": str(error)})
        status = f"{error.status} {HTTPStatus(error.status).phrase}".encode()
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b"
            % (status, len(body), header, body)
        )
        if not linger:
            self.transport.close()
        else:
            self.flow.resume_reading()
            if self.transport.can_write_eof():
                self.transport.write_eof()

    def check(self, now: float, limit: float) -> None:
        """End the connection if its client let it wait for too long."""
        if self._stall.late(now, limit, self.transport):
            self._cut = True
            self.transport.abort()
            return
        if self.transport.is_closing():
            return
        if self.phase == ENDED:
            if self._refusal is None and now - self.since > LINGER_SECONDS:
                self.transport.abort()
            return
        if self.phase == DONE and self.idle and now - self.since > KEEP_ALIVE:
            self.transport.close()
        if self.phase == DONE or now - self.since <= limit:
            return
        if self._rest or (self.phase == BODY and (self.flow.read_paused or self.arrived >= PROGRESS)):
            self.since, self.arrived = now, 0
        else:
            self.refuse(HeadError(408, LATE))

    @property
    def ended(self) -> bool:
        """Nothing more is taken."""
        return self.phase == ENDED or self.transport.is_closing()

    @property
    def idle(self) -> bool:
        """Between two requests, or before the first."""
        answered = self.cycle is None or self.cycle.response_complete or self.cycle.disconnected
        waits = bool(self._rest) or self._refusal is not None
        return self.phase == NEW or (self.phase in (DONE, ENDED) and answered and not waits)
