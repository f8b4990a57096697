"""The connections of gRPC: taken here and passed on to gRPC's library, which by itself holds heads of any length.

Only the frames' heads are looked at (RFC 9113); what they hold goes through as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil

from mlaas4hep.web.http.acceptor import Acceptor
from mlaas4hep.web.http.request_head import LARGEST
from mlaas4hep.web.http.write_stall import PROGRESS, WriteStall
from mlaas4hep.web.sockets import last_connections, refuse_connections
from mlaas4hep.web.telemetry.metrics import OTHER
from mlaas4hep.web.telemetry.request_log import CUT_OFF
from mlaas4hep.web.telemetry.state import State

__all__ = ["PEER", "Frames", "Relay"]

PEER = "mlaas4hep-client-"
"""Begins the names of the relay's ends; the client's address and port follow."""
FOLDER = "mlaas4hep-grpc-"
"""Begins the name of the folder of the inner socket; the number of the process follows."""
LINUX = sys.platform.startswith("linux")
PATH = 108
"""Bytes of the name of a local socket."""
TICK = 0.5
LINGER = 1.0
PREFACE = 24
HEAD = 9
DATA, HEADERS, RESET, CONTINUATION = 0, 1, 3, 9
END_STREAM, END_HEADERS = 1, 4


class Frames:
    """Follows the frames of one direction.

    Args:
        skip: bytes before the first.
        found: told of each frame: its kind, flags and stream.

    Attributes:
        block: bytes of the headers that have begun and not ended.
    """

    def __init__(self, skip: int, found: Callable[[int, int, int], None]) -> None:
        self.block = 0
        self._left = skip
        self._found = found
        self._head = b""

    @property
    def open(self) -> bool:
        """In the middle of a frame, or of headers."""
        return bool(self._left or self._head or self.block)

    def feed(self, data: bytes) -> bool:
        """The next bytes; False: the headers that have begun are too long."""
        place, size = self._left, len(data)
        if self._head:
            data, size, self._head = self._head + data, size + len(self._head), b""
        while place + HEAD <= size:
            length = data[place] << 16 | data[place + 1] << 8 | data[place + 2]
            kind, flags = data[place + 3], data[place + 4]
            if kind in (HEADERS, CONTINUATION):
                self.block += length + HEAD
                if self.block > LARGEST:
                    return False
                if flags & END_HEADERS:
                    self.block = 0
            self._found(kind, flags, int.from_bytes(data[place + 5 : place + HEAD], "big"))
            place += HEAD + length
        if place < size:
            self._head = data[place:]
            place = size
        self._left = place - size
        return True


class _Inner(asyncio.Protocol):
    """The end at gRPC's library."""

    def __init__(self, outer: _Outer) -> None:
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


class _Outer(asyncio.Protocol):
    """The end at the client."""

    transport: asyncio.Transport

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._loop = asyncio.get_running_loop()
        self._inner: asyncio.Transport | None = None
        self._asked = Frames(PREFACE, self._asks)
        self._answered = Frames(0, self._answers)
        self._begun: set[int] = set()
        self._early = b""
        self._since, self._arrived = self._loop.time(), 0
        self._stall = WriteStall()
        self.waits = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        if len(self._relay.connections) >= self._relay.limit:
            transport.abort()
            return
        self._relay.connections.add(self)
        self._relay.spawn(self._connect())

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
        self._answered.feed(data)
        if not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._relay.connections.discard(self)
        for _stream in self._begun:
            self._relay.count(CUT_OFF)
        if self._inner is not None:
            self._inner.close()

    def pause_writing(self) -> None:
        self._stall.begin(self._loop.time(), self.transport)
        if self._inner is not None:
            self._inner.pause_reading()

    def resume_writing(self) -> None:
        self._stall.end()
        if self._inner is not None:
            self._inner.resume_reading()

    def check(self, now: float, limit: float) -> None:
        """End the connection if the client leaves something unfinished, or unread, for too long."""
        if self._stall.late(now, limit, self.transport):
            self._end("DEADLINE_EXCEEDED")
            return
        if self.waits or not self._asked.open:
            return
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
        if kind == RESET and stream in self._begun:
            self._begun.discard(stream)
            self._relay.count(CUT_OFF)

    def _answers(self, kind: int, flags: int, stream: int) -> None:
        if kind == RESET or (flags & END_STREAM and kind in (DATA, HEADERS)):
            self._begun.discard(stream)
        elif kind == HEADERS:
            self._begun.add(stream)


class Relay:
    """Of one process: between the clients and gRPC's own listener.

    Args:
        listener: where clients come; listens already.
        state: of this process.
        limit: connections at a time.
        patience: seconds in which a client has to finish the frame or the headers that it has begun, or to get on.
        context: of TLS; None: without.

    Attributes:
        calls: that clients have begun so far.
        port: where it listens.
        inside: where gRPC's library has to listen, in its own form.
    """

    def __init__(
        self, listener: socket.socket, state: State, limit: int, patience: float, context: ssl.SSLContext | None = None
    ) -> None:
        self.limit = limit
        self.calls = 0
        self.connections: set[_Outer] = set()
        self.port: int = listener.getsockname()[1]
        # In a folder of this user alone: a name without a folder is open to everybody on the machine.
        remove_leftovers()
        self._folder = tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-")
        self._place = f"{self._folder.name}/grpc"
        self.inside = f"unix:{self._place}"
        self._listener = listener
        self._acceptor = Acceptor(listener, lambda: _Outer(self), context, patience)
        self._state = state
        self._patience = patience
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count()

    def start(self) -> None:
        """Take connections; gRPC's library listens already."""
        self._acceptor.start()
        self.spawn(self._watch())

    async def refuse(self, seconds: float) -> None:
        """Take no new connections; those that the system has taken already come through, within so many seconds."""
        refuse_connections(self._listener)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(last_connections(self._listener), seconds)
        self._acceptor.stop()
        await self._acceptor.settled(LINGER)
        self._listener.close()

    def close(self) -> None:
        """Everything has been answered."""
        for connection in list(self.connections):
            connection.transport.close()
        for task in list(self._tasks):
            task.cancel()
        self._folder.cleanup()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it, and keep it from being forgotten."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def count(self, status: str) -> None:
        """A call, or a connection, ended so."""
        self._state.metrics.request("grpc", "CALL", OTHER, status, 0.0)

    async def connect(self, inner: asyncio.Protocol, peer: tuple[str, int] | None) -> asyncio.Transport:
        """A connection to gRPC's library, whose name says who the client is."""
        place = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            place.setblocking(False)
            if peer is not None and LINUX:
                place.bind(f"\0{PEER}{next(self._numbers)}-{peer[0]}-{peer[1]}.{os.getpid()}"[:PATH])
            loop = asyncio.get_running_loop()
            await loop.sock_connect(place, self._place)
            transport, _ = await loop.create_unix_connection(lambda: inner, sock=place)
        except BaseException:
            place.close()
            raise
        return transport

    async def _watch(self) -> None:
        """Look after slow clients."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            for connection in list(self.connections):
                connection.check(loop.time(), self._patience)


def remove_leftovers() -> None:
    """Remove the folders of this user's servers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        process = folder.name.removeprefix(FOLDER).partition("-")[0]
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and process.isdigit() and not psutil.pid_exists(int(process)):
                shutil.rmtree(folder)
