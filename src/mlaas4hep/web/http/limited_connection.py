"""One HTTP connection: uvicorn's, with limits on heads, on what stands around bodies, and on the client's time."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.server import ServerState

from mlaas4hep.web.http.parsing import BODY, DONE, ENDED, NEW, ParsingConnection
from mlaas4hep.web.http.refusal import Refusal
from mlaas4hep.web.http.shared import Shared
from mlaas4hep.web.http.write_stall import PROGRESS, WriteStall
from mlaas4hep.web.telemetry.metrics import OTHER
from mlaas4hep.web.telemetry.request_log import DELIVERED

__all__ = ["KEEP_ALIVE", "LimitedConnection"]

KEEP_ALIVE = 75
"""Seconds that a connection may wait for its next request."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 2**20
FULL, LATE = "too many connections", "the request did not arrive in time"


class LimitedConnection(ParsingConnection):
    """One connection; knows how long it has waited for its client.

    A request that is refused here is answered after those before it, and is the last one; what the client goes on
    sending is thrown away for a moment, so that it finds the answer.

    Args:
        shared: what connections share.
        config: of uvicorn.
        server_state: of uvicorn.
    """

    def __init__(self, shared: Shared, config: Config, server_state: ServerState) -> None:
        super().__init__(config, server_state, {})
        self.shared = shared
        self._refusal: Refusal | None = None
        self._cut = False
        self._thrown_away = 0
        self._stall = WriteStall()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse one too many."""
        super().connection_made(transport)
        self.shared.state.connections = len(self.connections)
        if len(self.connections) > self.shared.limit:
            self.refuse(Refusal(503, FULL, b"retry-after: 1\r\n"), linger=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count, and note whether an answer was cut off."""
        self._cut = self._cut or (exc is not None and self._stall.waits)
        super().connection_lost(exc)
        self.shared.state.connections = len(self.connections)

    def data_received(self, data: bytes) -> None:
        """Parse a piece, or throw it away after the last request."""
        if self.phase != ENDED:
            super().data_received(data)
            return
        self._thrown_away += len(data)
        if self._thrown_away > LINGER_BYTES:
            self.transport.abort()

    def begin(self, app: ASGIApp) -> None:
        """Take the slow path; while the server stops, this request is the last of its connection."""
        super().begin(app)
        cycle = self.cycle
        if self.shared.draining:
            cycle.keep_alive = False

        async def delivered() -> bool:
            if self.flow.write_paused and not cycle.disconnected:
                await self.flow.drain()
            return not (self._cut or cycle.disconnected)

        cycle.scope["extensions"] = {DELIVERED: delivered}

    def on_response_complete(self) -> None:
        """Take the next request, without a timer for it: `check` closes connections that stay idle."""
        if self.rest:
            self.loop.call_soon(self.go_on)
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
        """Note that the client does not read as fast as it is written to."""
        super().pause_writing()
        self._stall.begin(self.loop.time(), self.transport)

    def resume_writing(self) -> None:
        """Note that the client has read enough."""
        super().resume_writing()
        self._stall.end()

    def refuse(self, refusal: Refusal, *, linger: bool = True) -> None:
        """Take nothing more; answer so once all requests before this one are answered."""
        if self.transport.is_closing() or self.phase == ENDED:
            return
        own, self.phase = self.phase == BODY, ENDED
        self.hold(b"")
        self.since = self.loop.time()
        self.shared.state.metrics.request("http", "OTHER", OTHER, str(refusal.status), 0.0)
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
            self._refusal = refusal
        else:
            self._turn_away(refusal, linger=linger)

    def _turn_away(self, refusal: Refusal, *, linger: bool = True) -> None:
        self._refusal = None
        self.since = self.loop.time()
        self.shared.writes.flush()
        if self.transport.is_closing():
            return
        self.transport.write(refusal.answer())
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
        elif self.transport.is_closing():
            return
        elif self.phase == ENDED:
            if self._refusal is None and now - self.since > LINGER_SECONDS:
                self.transport.abort()
        elif self.phase == DONE:
            if self.idle and now - self.since > KEEP_ALIVE:
                self.transport.close()
        elif now - self.since > limit:
            got_on = self.flow.read_paused or self.inside - self.before >= PROGRESS
            if self.rest or (self.phase == BODY and got_on):
                self.since, self.before = now, self.inside
            else:
                self.refuse(Refusal(408, LATE))

    @property
    def ended(self) -> bool:
        """Return whether nothing more is taken."""
        return self.phase == ENDED or self.transport.is_closing()

    @property
    def idle(self) -> bool:
        """Return whether no request is under way, and none has begun to arrive."""
        answered = self.cycle is None or self.cycle.response_complete or self.cycle.disconnected
        waits = bool(self.rest) or self._refusal is not None
        return self.phase == NEW or (self.phase in (DONE, ENDED) and answered and not waits)
