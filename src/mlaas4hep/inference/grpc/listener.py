"""gRPC on a listening socket: relay of its connections, gate before its calls, and gRPC's library behind both."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.grpc.gate import GrpcGate
from mlaas4hep.inference.grpc.relay import LONGEST_NAME, Connection, Relay
from mlaas4hep.inference.grpc.server import GrpcServer, serve_grpc
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.access.admission import Admission
from mlaas4hep.web.certificates import Certificates
from mlaas4hep.web.http.acceptor import Acceptor
from mlaas4hep.web.processes.private_folder import private_folder
from mlaas4hep.web.sockets import last_connections, refuse_connections
from mlaas4hep.web.telemetry.state import State

__all__ = ["GrpcListener"]

LINGER = 1.0
"""Seconds that TLS handshakes under way have at a stop."""


class GrpcListener:
    """Serves gRPC on a socket that listens already.

    Args:
        listener: where clients connect.
        settings: limits and times.
        state: of this process.
        admission: decides who may call.
        certificates: of TLS; None: without.
    """

    def __init__(
        self,
        listener: socket.socket,
        settings: Settings,
        state: State,
        admission: Admission,
        certificates: Certificates | None,
    ) -> None:
        self._listener = listener
        self._limits = settings.limits
        self._gate = GrpcGate(state, admission)
        self._stack = contextlib.ExitStack()
        # In a folder of this user alone: a name without a folder is open to everybody on the machine.
        inside = self._stack.enter_context(private_folder("mlaas4hep-grpc-")) / "grpc"
        if len(bytes(inside)) >= LONGEST_NAME:
            self._stack.close()
            raise ConfigError(
                "the name of the folder for temporary files is too long for a local socket",
                where=str(inside.parent.parent),
                hint="set TMPDIR to another folder",
            )
        self._inside = inside
        self._relay = Relay(inside, state, self._limits.connections)
        context = certificates.http2 if certificates else None
        self._acceptor = Acceptor(listener, lambda: Connection(self._relay), context, self._limits.read_timeout)
        self._server: GrpcServer | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, inference: Server) -> None:
        """Accept connections; `inference` answers the calls."""
        self._server = await serve_grpc(
            inference, f"unix:{self._inside}", None, around=self._gate.around, max_message=self._limits.body
        )
        self._acceptor.start()
        self._watch = asyncio.create_task(self._relay.watch(self._limits.read_timeout))

    async def stop(self, grace: float) -> None:
        """Take no new connections, answer all calls that were sent within `grace` seconds, then close."""
        if self._server is None or self._watch is None:
            return
        server, relay = self._server, self._relay
        refuse_connections(self._listener)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(last_connections(self._listener), grace)
        self._acceptor.stop()
        await self._acceptor.settled(LINGER)
        self._listener.close()
        await self._gate.stopping.stop(lambda: server.stop(grace), lambda: relay.calls)
        for connection in list(relay.connections):
            connection.transport.close()
        self._watch.cancel()
        self._stack.close()
