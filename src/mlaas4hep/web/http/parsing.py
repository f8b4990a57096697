"""Parses the requests of one HTTP connection with uvicorn, in small pieces and within limits."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlaas4hep.web.http.framing import LARGEST, STEP, Chunks
from mlaas4hep.web.http.refusal import Refusal
from mlaas4hep.web.http.request_head import FRAMING, MOST, check_head

__all__ = ["BODY", "DONE", "ENDED", "HEAD", "NEW", "ParsingConnection"]

NEW, HEAD, BODY, DONE, ENDED = range(5)
MALFORMED = "the request is not HTTP"
LARGE = f"the head of a request, and what stands between and behind its chunks, may have {LARGEST} bytes"
MANY = f"a request may have {MOST} headers"


class _Flow(FlowControl):
    """uvicorn's flow control, which reads on with every answer, however much waits."""

    held = False

    def resume_reading(self) -> None:
        """Read on, unless something is held back."""
        if not self.held:
            super().resume_reading()


class ParsingConnection(HttpToolsProtocol):
    """One connection, from bytes to requests.

    Attributes:
        phase: nothing arrived yet, in the head, in the body, the request is complete, nothing more is taken.
        now: when the last piece arrived, by the loop's clock.
        since: when the phase began or the client last got on.
        inside: bytes of the body so far.
        before: those that had arrived at `since`.
        fields: headers of the request by name, the last of each.
        rest: bytes that are left over until the requests before them are answered.
    """

    cycle: Any
    flow: _Flow

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin: nothing has arrived yet."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self.phase = NEW
        self.now = self.since = self.loop.time()
        self.fields: dict[bytes, bytes] = {}
        self.rest = b""
        self.inside = self.before = self._head = 0
        self._chunks: Chunks | None = None

    def refuse(self, refusal: Refusal) -> None:
        """Take nothing more, and answer so."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Parse a piece, as long as the request stays within its limits."""
        self.now = self.loop.time()
        if self.rest or self.pipeline or len(data) > STEP:
            self._take(self.rest + data)
        else:
            self._feed(data)

    def _take(self, data: bytes) -> None:
        """Parse as much as leaves few requests waiting; what is over is parsed when these are answered."""
        start, size = 0, len(data)
        self.hold(b"")
        while start < size and self.phase != ENDED:
            if self.pipeline:
                self.hold(data[start:])
                return
            end = start + max(STEP, self._owed())
            self._feed(data[start:end] if start or end < size else data)
            start = end

    def _owed(self) -> int:
        """Return how many bytes certainly belong to the body that is arriving."""
        if self.phase != BODY or self._chunks is not None:
            return 0
        return int(self.fields.get(b"content-length", b"0")) - self.inside

    def hold(self, rest: bytes) -> None:
        """Leave these bytes over; as long as there are some, no more are read."""
        self.rest = rest
        self.flow.held = bool(rest)
        if rest:
            self.flow.pause_reading()

    def go_on(self) -> None:
        """Parse what was left over, once nothing waits before it."""
        if self.rest and not self.pipeline and not self.transport.is_closing():
            self.data_received(b"")
            if not self.rest:
                self.flow.resume_reading()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause if isinstance(cause, Refusal) else Refusal(400, MALFORMED))
        if self.phase == HEAD:
            self._head += len(data)  # with what may stand before it in this piece
            if self._head > LARGEST + STEP:
                self.refuse(Refusal(431, LARGE))
        elif self.phase == BODY and self._chunks is not None and self._chunks.too_large(len(data), self.inside):
            self.refuse(Refusal(431, LARGE))

    def _stay(self, rest: bytes) -> None:
        """Take a request that offers another protocol as one that does not: the parser would leave its body out."""
        version = self.parser.get_http_version().encode()
        parts = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                parts += (name, b": ", value, b"\r\n")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"".join((*parts, b"\r\n", rest)))

    def on_message_begin(self) -> None:
        """Begin a request; what ASGI needs for it is made when it goes the slow path."""
        self.url = b""
        self.headers = []
        self.phase, self.since, self._head = HEAD, self.now, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a field behind the chunks is left out, as nobody looks at it."""
        if self.phase == HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the head, then begin the request."""
        parser, headers = self.parser, self.headers
        method, version = parser.get_method(), parser.get_http_version()
        self.fields = fields = dict(headers)
        if len(headers) > MOST:
            raise Refusal(431, MANY)
        check_head(method, version, self.url, headers, fields)
        if self._head > LARGEST - STEP:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in headers)
            if size > LARGEST:
                raise Refusal(431, LARGE)
        if parser.should_upgrade():  # comes again, without the offer
            return
        self.phase, self.since, self.inside, self.before = BODY, self.now, 0, 0
        self._chunks = Chunks() if FRAMING in fields else None
        self.begun(method, version)

    def begun(self, method: bytes, version: str) -> None:  # noqa: ARG002
        """Answer a request whose head is good."""
        self.begin(self.app)

    def begin(self, app: ASGIApp) -> None:
        """Let uvicorn make the scope of the request, and a task for the application."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers += headers
        self.expect_100_continue = self.fields.get(b"expect", b"").lower() == b"100-continue"
        self.app, usual = app, self.app
        try:
            super().on_headers_complete()
        finally:
            self.app = usual

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self.inside += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless it comes again."""
        if self.phase == BODY:
            self.phase = DONE
            super().on_message_complete()
