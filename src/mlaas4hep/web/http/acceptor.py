"""The acceptor of a listening socket: takes all connections that wait, each time the event loop looks.

The event loop's own servers close connections without an answer when the process has no descriptor left for them (of 60
clients at a limit of 30 descriptors 45), and do not tell whether TLS handshakes are still under way at a stop.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable

__all__ = ["Acceptor"]

LOG = logging.getLogger(__name__)
AT_ONCE = 256
PAUSE = 1.0
"""Seconds without new connections after the system had no room for one."""
NO_ROOM = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Acceptor:
    """Accepts the connections of one listening socket.

    Args:
        listener: listens already, and does not block.
        protocol: makes one for each connection.
        context: of TLS; None: without.
        handshake: seconds a client has for it.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext | None,
        handshake: float,
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._context = context
        self._handshake = handshake if context is not None else None
        self._beginning: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept connections from now on."""
        asyncio.get_running_loop().add_reader(self._listener, self._take)

    def stop(self) -> None:
        """Accept no more connections; handshakes under way go on."""
        asyncio.get_running_loop().remove_reader(self._listener)
        if self._again is not None:
            self._again.cancel()

    async def settled(self, seconds: float) -> None:
        """Wait until all accepted connections have their protocol, but no longer than this."""
        if self._beginning:
            await asyncio.wait(self._beginning, timeout=seconds)

    def _take(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(AT_ONCE):
            try:
                connection = self._listener.accept()[0]
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in NO_ROOM:  # this client has gone already
                    continue
                LOG.error("no new connections for %g s: %s", PAUSE, error.strerror)
                self.stop()
                self._again = loop.call_later(PAUSE, self.start)
                return
            task = loop.create_task(self._begin(connection))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)

    async def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, connection, ssl=self._context, ssl_handshake_timeout=self._handshake
            )
        except (OSError, ssl.SSLError, TimeoutError):  # the client has gone, or does not speak TLS
            connection.close()
