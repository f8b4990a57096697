"""The whole HTTP side on a real socket: the server on a repository, and all routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx

from mlaas4hep.inference.operation.assemble import build
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from tests.support.looped import in_thread, listening

__all__ = ["Live", "live_server"]


@dataclass
class Live:
    """A server that listens.

    Attributes:
        url: its address, with the base path.
        client: for that address.
        settings: its settings.
        server: the server itself; belongs to another thread.
    """

    url: str
    client: httpx.Client
    settings: Settings
    server: Server


@contextmanager
def live_server(settings: Settings) -> Iterator[Live]:
    """Start a server in a thread of its own and stop it in the end."""

    @asynccontextmanager
    async def made() -> AsyncIterator[tuple[Server, int]]:
        parts = build(settings)
        await parts.server.start()
        await parts.server.loaded()
        parts.state.ready = True
        async with listening(parts.app) as port:
            yield parts.server, port
        await parts.server.stop()

    with in_thread(made) as (server, port):
        url = f"http://127.0.0.1:{port}{settings.base_path}"
        with httpx.Client(base_url=url, timeout=60) as client:
            yield Live(url, client, settings, server)
