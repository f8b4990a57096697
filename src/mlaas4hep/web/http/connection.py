"""One HTTP connection with a fast path for small predictions."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp

from mlaas4hep.web.http.fast_path import FastCall
from mlaas4hep.web.http.limited_connection import LimitedConnection
from mlaas4hep.web.http.parsing import DONE
from mlaas4hep.web.replies import Reply

__all__ = ["Connection"]

UNUSUAL = frozenset((b"transfer-encoding", b"content-encoding", b"expect"))
"""Headers of requests that go the slow path."""
STATUS_LINE: dict[int, bytes] = {status: f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Connection(LimitedConnection):
    """One connection.

    A prediction that arrives in one piece goes the fast path, the first of each piece: a client that sends many at a
    time takes turns with the others. All else is uvicorn's: with a task, through ASGI.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin: nothing has arrived yet."""
        self._turn = False
        self._call: FastCall | None = None
        self._parts: list[bytes] = []
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse a piece; a request that it leaves incomplete goes the slow path."""
        self._turn = True
        super().data_received(data)
        if self._call is not None:
            self._call = None
            if not self.ended:
                self._slowly(self.app, b"".join(self._parts))

    def begun(self, method: bytes, version: str) -> None:
        """Choose the path of a request whose head is complete."""
        self._call = self._find(method, version)
        if self._call is None:
            self.begin(self.app)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._call is None:
            super().on_body(body)
        else:
            self.inside += len(body)
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """Answer on the fast path, or pass the request on."""
        call, fast_path = self._call, self.shared.fast_path
        if call is None or fast_path is None:
            super().on_message_complete()
            return
        self._call = None
        body = b"".join(self._parts)
        found = fast_path.answer(call, self.fields, self.client, body)
        if isinstance(found, tuple):
            self._turn = False
            self.phase = DONE
            self._write(*found)
        else:
            self._slowly(found or self.app, body)
            super().on_message_complete()

    def _slowly(self, app: ASGIApp, body: bytes) -> None:
        """Take the slow path with what has arrived of the body."""
        self.begin(app)
        self.inside -= len(body)  # counted when it arrived
        super().on_body(body)

    def _find(self, method: bytes, version: str) -> FastCall | None:
        """Return what answers the request on the fast path, if its head allows that."""
        shared = self.shared
        if (
            shared.fast_path is None
            or not self._turn
            or shared.draining
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.flow.write_paused
            or method != b"POST"
            or version != "1.1"
            or (call := shared.fast_path.find(self.url)) is None
        ):
            return None
        fields = self.fields
        length = fields.get(b"content-length", b"")
        if (
            len(fields) == len(self.headers)
            and UNUSUAL.isdisjoint(fields)
            and 0 < len(length) < 6
            and length.isdigit()
            and int(length) <= shared.fast_path.largest
            and self.parser.should_keep_alive()
        ):
            self._parts = []
            return call
        return None

    def _write(self, reply: Reply, number: bytes) -> None:
        """Send a reply of the fast path, together with others."""
        parts = [STATUS_LINE[reply.status]]
        for name, value in (*self.server_state.default_headers, *reply.headers):
            parts += (name, b": ", value, b"\r\n")
        own = b"content-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n\r\n"
        parts += (own % (reply.kind, len(reply.body), number), reply.body)
        self.shared.writes.write(self.transport, b"".join(parts))
        self.server_state.total_requests += 1
        self.since = self.now
