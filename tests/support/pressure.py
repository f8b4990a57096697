"""Many clients at once, each on a connection that it keeps, each checking every answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Client", "Pressure", "ask", "connected", "until"]

PAUSE = 0.02
SECONDS = 60.0
Check = Callable[[int, int, Any], bool]
"""Status, number of the request, decoded body: whether it is right."""


@dataclass
class Client:
    """One connection at a time.

    Attributes:
        port: the client's own, of the connection it has; 0: none.
        answered: right answers.
        broken: times its connection broke off.
        refused: times it found nobody to connect to.
    """

    port: int = 0
    answered: int = 0
    broken: int = 0
    refused: int = 0


@dataclass
class Pressure:
    """The clients, and what they saw.

    Attributes:
        port: of the server.
        bodies: of the requests, sent in turn.
        check: of the answers.
        path: that is posted to.
        pause: seconds that a client waits after an answer.
        wrong: answers that were not right.
        last: if set, a client that finds nobody to connect to ends.
    """

    port: int
    bodies: list[bytes]
    check: Check
    path: str = "/predict"
    pause: float = 0.0
    clients: list[Client] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    last: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return sum(client.answered for client in self.clients)

    @property
    def broken(self) -> int:
        return sum(client.broken for client in self.clients)

    async def more(self, number: int = 1000) -> None:
        """Wait for so many right answers more, and for every client to have had at least one of them."""
        goal, before = self.answered + number, [client.answered for client in self.clients]
        await until(
            lambda: (
                self.wrong
                or (
                    self.answered >= goal
                    and all(client.answered > old for client, old in zip(self.clients, before, strict=True))
                )
            )
        )
        assert self.wrong == []

    @asynccontextmanager
    async def on(self, number: int) -> AsyncIterator[Pressure]:
        """So many clients, until the end of the block."""
        self.clients = [Client() for _ in range(number)]
        self.tasks = [asyncio.create_task(self._keep(client, i)) for i, client in enumerate(self.clients)]
        try:
            yield self
        finally:
            for task in self.tasks:
                task.cancel()
            for result in await asyncio.gather(*self.tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result

    async def _keep(self, client: Client, first: int) -> None:
        number = first
        while True:
            try:
                async with connected(self.port) as (reader, writer):
                    client.port = writer.get_extra_info("sockname")[1]
                    while await self._one(client, reader, writer, number):
                        number += len(self.clients)
                        if self.pause:
                            await asyncio.sleep(self.pause)
            except ConnectionRefusedError:
                client.refused += 1
                if self.last:
                    return
                await asyncio.sleep(PAUSE)
            except (OSError, EOFError):
                client.broken += 1
            finally:
                client.port = 0

    async def _one(
        self, client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        """A request and its answer; False if the server wants no more on this connection."""
        body = self.bodies[number % len(self.bodies)]
        status, head, found = await ask(reader, writer, self.path, body)
        self.statuses[status] += 1
        if self.check(status, number % len(self.bodies), json.loads(found)):
            client.answered += 1
        elif len(self.wrong) < 10:
            self.wrong.append(f"{status} {found[:300]!r}")
        return b"connection: close" not in head


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to this machine, closed in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes, method: str = "POST"
) -> tuple[int, bytes, bytes]:
    """Send a request and read its answer: status, head, body. Raises OSError or EOFError if the connection breaks."""
    head = b"%b %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % (_(method), _(path), len(body))
    writer.write(head + body)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    return int(head[9:12]), head, await reader.readexactly(length)


async def until(check: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """The first true answer; fails if there is none in time."""
    async with asyncio.timeout(seconds):
        while not (answer := check()):
            await asyncio.sleep(PAUSE)
        return answer


def _(text: str) -> bytes:
    return text.encode()
