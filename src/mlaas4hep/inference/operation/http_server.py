"""uvicorn with time limits for slow clients, a limit on connections, and a stop that loses no request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import orjson
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlaas4hep.inference.operation.certificates import Certificates
from mlaas4hep.inference.operation.cycle import Cycle
from mlaas4hep.inference.operation.sockets import last_connections, refuse_connections
from mlaas4hep.inference.operation.state import State
from mlaas4hep.inference.settings import Settings

__all__ = ["HttpServer"]

KEEP_ALIVE = 75
PROGRESS = 64 * 1024
LINGER = 1.0
FULL = b'{"error":"too many connections"}'
LATE = b'{"error":"the request did not arrive in time"}'
NEW, HEAD, BODY, DONE = range(4)


class Connection(HttpToolsProtocol):
    """One connection; knows since when it waits for its client.

    Attributes:
        phase: nothing arrived yet, in the head, in the body, the request is complete.
        since: when the phase began, by the loop's clock.
        arrived: bytes of the body since then.
        stuck: when the client stopped to read the answer; None: it reads.
    """

    limit = 10_000
    state: State
    cycle: Any
    draining = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse one too many."""
        super().connection_made(transport)
        self.phase, self.since, self.arrived = NEW, self.loop.time(), 0
        self.stuck: float | None = None
        self.state.connections = len(self.connections)
        if len(self.connections) > self.limit:
            self.turn_away(b"503 Service Unavailable", FULL, b"retry-after: 1\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Count."""
        super().connection_lost(exc)
        self.state.connections = len(self.connections)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.phase, self.since = HEAD, self.loop.time()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.__class__ = Cycle  # uvicorn makes its own, and has not begun with it
        self.phase, self.since, self.arrived = BODY, self.loop.time(), 0
        if self.draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self.arrived += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is complete."""
        self.phase = DONE
        super().on_message_complete()

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


class HttpServer(uvicorn.Server):
    """Serves an ASGI application on sockets that listen already.

    Args:
        app: what is served.
        settings: limits and times.
        state: of this process.
        certificates: for HTTPS.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, state: State, certificates: Certificates | None = None
    ) -> None:
        kind: Any = type("Connection", (Connection,), {"limit": settings.limits.connections, "state": state})
        config = uvicorn.Config(
            app,
            http=kind,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=list(settings.proxies),
        )
        config.load()
        if certificates is not None:
            config.ssl = certificates.context
            config.is_ssl  # noqa: B018
        super().__init__(config)
        self._connection = kind
        self._read_timeout = settings.limits.read_timeout
        self._drain = settings.drain
        self._sockets: list[socket.socket] = []
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept connections."""
        self._sockets = sockets
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets)
        self._ticker = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Take no new connections, answer every request that was sent, then close.

        Connections stay open for their next request, which is answered with ``connection: close``; those that send none
        are closed after a second. What is not done within the settings' time for it is broken off.
        """
        for place in self._sockets:
            refuse_connections(place)
        for place in self._sockets:
            await last_connections(place)
        for server in self.servers:
            server.close()
        for place in self._sockets:
            place.close()
        self._connection.draining = True
        for connection in self._connections():
            if connection.cycle is not None and not connection.cycle.response_complete:
                connection.cycle.keep_alive = False
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while (self._connections() or self.server_state.tasks) and loop.time() - begin < self._drain:
            if loop.time() - begin > LINGER:
                for connection in self._connections():
                    if connection.idle:
                        connection.transport.close()
            await asyncio.sleep(0.02)
        for connection in self._connections():
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        if self._ticker is not None:
            self._ticker.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the business of the process."""
        yield

    def _connections(self) -> list[Connection]:
        return list(self.server_state.connections)  # type: ignore[arg-type]

    async def _tick(self) -> None:
        """Renew the date in the answers, look after slow clients."""
        counter = 0
        while True:
            await self.on_tick(counter)
            if counter % 5 == 0:
                now = asyncio.get_running_loop().time()
                for connection in self._connections():
                    connection.check(now, self._read_timeout)
            counter += 1
            await asyncio.sleep(0.1)
