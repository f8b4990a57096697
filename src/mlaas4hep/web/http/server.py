"""uvicorn with our connections, and a stop that loses no request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from mlaas4hep.web.certificates import Certificates
from mlaas4hep.web.http.acceptor import Acceptor
from mlaas4hep.web.http.connection import Connection
from mlaas4hep.web.http.gate import Gate
from mlaas4hep.web.http.limited_connection import KEEP_ALIVE
from mlaas4hep.web.http.shared import Shared
from mlaas4hep.web.settings import WebSettings
from mlaas4hep.web.sockets import last_connections, refuse_connections
from mlaas4hep.web.telemetry.state import State

__all__ = ["HttpServer"]

LINGER = 1.0


class HttpServer(uvicorn.Server):
    """Serves an ASGI application on sockets that listen already.

    Args:
        app: what is served.
        settings: limits and times.
        state: of this process.
        certificates: for HTTPS.

    Attributes:
        shared: what its connections share.
    """

    def __init__(
        self, app: Gate, settings: WebSettings, state: State, certificates: Certificates | None = None
    ) -> None:
        config = uvicorn.Config(
            app,
            http="httptools",
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
        self.shared = Shared(settings.limits.connections, state, app.fast_path)
        self._read_timeout = settings.limits.read_timeout
        self._drain = settings.drain
        self._sockets: list[socket.socket] = []
        self._acceptors: list[Acceptor] = []
        self._ticker: asyncio.Task[None] | None = None

    def connection(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self.shared, self.config, self.server_state)

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept connections."""
        self._sockets = sockets
        for listener in sockets:
            acceptor = Acceptor(listener, self.connection, self.config.ssl, self._read_timeout)
            acceptor.start()
            self._acceptors.append(acceptor)
        self._ticker = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Take no new connections, answer every request that was sent, then close.

        Connections stay open for their next request, which is answered with ``connection: close``; those that send none
        are closed after a second. What is not done within the settings' time for it is broken off.
        """
        for listener in self._sockets:
            refuse_connections(listener)
        for listener in self._sockets:
            with contextlib.suppress(TimeoutError):  # there is no room for them
                await asyncio.wait_for(last_connections(listener), self._drain)
        for acceptor in self._acceptors:
            acceptor.stop()
            await acceptor.settled(LINGER)
        for listener in self._sockets:
            listener.close()
        self.shared.draining = True
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
        """Leave the signals to the process."""
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
