"""The connections of gRPC: taken here and passed on to gRPC's library, which by itself holds heads of any length.

Only the frames' heads are looked at; what they hold goes through as it is.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import sys
from pathlib import Path

from mlaas4hep.inference.grpc.frames import DATA, END_STREAM, HEADERS, PREFACE, RESET, Frames
from mlaas4hep.web.http.write_stall import PROGRESS, WriteStall
from mlaas4hep.web.telemetry.metrics import OTHER
from mlaas4hep.web.telemetry.request_log import CUT_OFF
from mlaas4hep.web.telemetry.state import State

__all__ = ["PEER", "Connection", "Relay"]

PEER = "mlaas4hep-client-"
"""Begins the names of the relay's ends; the client's address and port follow."""
LINUX = sys.platform.startswith("linux")
LONGEST_NAME = 108
"""Bytes of the name of a local socket."""
TICK = 0.5


class Relay:
    """The connections of one process between the clients and gRPC's own listener.

    Args:
        inside: the local socket on which gRPC's library listens.
        state: of this process.
        limit: connections at a time.

    Attributes:
        limit: as given.
        calls: that clients have begun so far.
        connections: that are open.
    """

    def __init__(self, inside: Path, state: State, limit: int) -> None:
        self.limit = limit
        self.calls = 0
        self.connections: set[Connection] = set()
        self._inside = str(inside)
        self._state = state
        self._numbers = itertools.count()

    def count(self, status: str) -> None:
        """Count the end of a call, or of a connection, with a status of gRPC."""
        self._state.metrics.request("grpc", "CALL", OTHER, status, 0.0)

    async def connect(self, inner: asyncio.Protocol, peer: tuple[str, int] | None) -> asyncio.Transport:
        """Connect to gRPC's library, from a socket whose name says who the client is."""
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            local.setblocking(False)
            if peer is not None and LINUX:
                local.bind(f"\0{PEER}{next(self._numbers)}-{peer[0]}-{peer[1]}.{os.getpid()}"[:LONGEST_NAME])
            loop = asyncio.get_running_loop()
            await loop.sock_connect(local, self._inside)
            transport, _ = await loop.create_unix_connection(lambda: inner, sock=local)
        except BaseException:
            local.close()
            raise
        return transport

    async def watch(self, patience: float) -> None:
        """End connections of slow clients, for ever.

        Args:
            patience: seconds in which a client has to finish the frame or the headers that it has begun, or to get on.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            for connection in list(self.connections):
                connection.check(loop.time(), patience)


class Connection(asyncio.Protocol):
    """Passes one connection of a client on to gRPC's library.

    Attributes:
        waits: gRPC's library does not take more for now.
    """

    transport: asyncio.Transport

    def __init__(self, relay: Relay) -> None:
        self.waits = False
        self._relay = relay
        self._loop = asyncio.get_running_loop()
        self._inner: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._asked = Frames(PREFACE, self._asks)
        self._answered = Frames(0, self._answers)
        self._begun: set[int] = set()
        self._early = b""
        self._since, self._arrived = self._loop.time(), 0
        self._stall = WriteStall()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Connect to gRPC's library, unless there are too many."""
        self.transport = transport
        if len(self._relay.connections) >= self._relay.limit:
            transport.abort()
            return
        self._relay.connections.add(self)
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            inner = await self._relay.connect(_Inner(self), self.transport.get_extra_info("peername"))
        except OSError:
            self.transport.abort()
            return
        if self.transport.is_closing():
            inner.abort()
            return
        self._inner = inner
        inner.write(self._early)
        self._early = b""
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Pass on what the client sends, as long as its headers are within their limit."""
        if not self._asked.open:
            self._since, self._arrived = self._loop.time(), 0
        self._arrived += len(data)
        if not self._asked.feed(data):
            self._end("RESOURCE_EXHAUSTED")
        elif self._inner is not None:
            self._inner.write(data)
        else:
            self._early += data
            self.transport.pause_reading()

    def answered(self, data: bytes) -> None:
        """Pass on what gRPC's library sends."""
        self._answered.feed(data)
        if not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Count the answers that broke off on their way."""
        self._relay.connections.discard(self)
        for _stream in self._begun:
            self._relay.count(CUT_OFF)
        if self._inner is not None:
            self._inner.close()

    def pause_writing(self) -> None:
        """Read no more answers: the client does not take them."""
        self._stall.begin(self._loop.time(), self.transport)
        if self._inner is not None:
            self._inner.pause_reading()

    def resume_writing(self) -> None:
        """Read answers again."""
        self._stall.end()
        if self._inner is not None:
            self._inner.resume_reading()

    def check(self, now: float, limit: float) -> None:
        """End the connection if the client leaves something unfinished, or unread, for longer than `limit` seconds."""
        if self._stall.late(now, limit, self.transport):
            self._end("DEADLINE_EXCEEDED")
        elif self._asked.open and not self.waits:
            if self._arrived >= PROGRESS:
                self._since, self._arrived = now, 0
            elif now - self._since > limit:
                self._end("DEADLINE_EXCEEDED")

    def _end(self, status: str) -> None:
        self._relay.count(status)
        self.transport.abort()

    def _asks(self, kind: int, _: int, stream: int) -> None:
        if kind == HEADERS:
            self._relay.calls += 1
        elif kind == RESET and stream in self._begun:
            self._begun.discard(stream)
            self._relay.count(CUT_OFF)

    def _answers(self, kind: int, flags: int, stream: int) -> None:
        if kind == RESET or (flags & END_STREAM and kind in (DATA, HEADERS)):
            self._begun.discard(stream)
        elif kind == HEADERS:
            self._begun.add(stream)


class _Inner(asyncio.Protocol):
    """The end of one connection at gRPC's library."""

    def __init__(self, outer: Connection) -> None:
        self._outer = outer

    def data_received(self, data: bytes) -> None:
        self._outer.answered(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._outer.transport.close()

    def pause_writing(self) -> None:
        self._outer.transport.pause_reading()
        self._outer.waits = True

    def resume_writing(self) -> None:
        self._outer.transport.resume_reading()
        self._outer.waits = False
