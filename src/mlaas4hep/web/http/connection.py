"""One HTTP connection with a short way for small predictions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mlaas4hep.web.http.fast_path import Hot, ShortWay
from mlaas4hep.web.http.guarded import KEEP_ALIVE, Guarded
from mlaas4hep.web.replies import Reply

__all__ = ["KEEP_ALIVE", "Connection"]

UNUSUAL = frozenset((b"transfer-encoding", b"content-encoding", b"expect"))
"""Headers of requests that go the usual way."""


class Connection(Guarded):
    """One connection.

    A prediction that arrives in one piece goes the short way, the first of each piece: a client that sends many at a
    time takes turns with the others. All else is uvicorn's: with a task, through ASGI.

    Attributes:
        short_way: None: all requests go the usual way.
    """

    short_way: ShortWay | None = None
    draining = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Nothing has arrived yet."""
        self._turn = False
        self._hot: Hot | None = None
        self._given: Mapping[bytes, bytes] = {}
        self._parts: list[bytes] = []
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """A piece arrived; what it leaves incomplete goes the usual way."""
        self._turn = True
        super().data_received(data)
        if self._hot is not None:
            self._hot = None
            if not self.ended:
                self._begin(self.app)
                HttpToolsProtocol.on_body(self, b"".join(self._parts))

    def begun(self) -> None:
        """Its head is complete."""
        self._hot = self._find()
        if self._hot is None:
            self._begin(self.app)

    def part(self, body: bytes) -> None:
        """A part of its body."""
        if self._hot is None:
            super().part(body)
        else:
            self._parts.append(body)

    def completed(self) -> None:
        """It is complete."""
        hot, self._hot = self._hot, None
        if hot is None or self.short_way is None:
            super().completed()
            return
        body = b"".join(self._parts)
        found = self.short_way.answer(hot, self._given, self.client, body)
        if isinstance(found, tuple):
            self._turn = False
            self._write(*found)
        else:
            self._begin(found or self.app)
            super().part(body)
            super().completed()

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
        fields = self.fields
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
            self._given, self._parts = fields, []
            return hot
        return None

    def _begin(self, app: ASGIApp) -> None:
        """The usual way: uvicorn makes the scope and a task for the application."""
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.expect_100_continue = url, expected
        self.headers += headers
        self.app, usual = app, self.app
        try:
            super().begun()
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
