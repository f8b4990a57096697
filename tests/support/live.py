"""The whole HTTP side on a real socket: the server on a repository, all routes, uvicorn as in production."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from mlaas4hep.inference.rest.app import create_app
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings

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
    told: dict[str, Any] = {}
    ready = threading.Event()

    async def serve() -> None:
        server = Server(settings)
        await server.start()
        await server.loaded()
        config = uvicorn.Config(
            create_app(server, server, settings), port=0, log_level="error", lifespan="off", ws="none", access_log=False
        )
        config.load()
        http = uvicorn.Server(config)
        http.lifespan = config.lifespan_class(config)
        await http.startup()
        told.update(server=server, loop=asyncio.get_running_loop(), stop=asyncio.Event())
        told["port"] = http.servers[0].sockets[0].getsockname()[1]
        ready.set()
        await told["stop"].wait()
        await http.shutdown()
        await server.stop()

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception as error:
            told["error"] = error
        finally:
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(60)
    if "port" not in told:
        raise told.get("error", TimeoutError("the server did not start"))
    url = f"http://127.0.0.1:{told['port']}{settings.base_path}"
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            yield Live(url, client, settings, told["server"])
    finally:
        told["loop"].call_soon_threadsafe(told["stop"].set)
        thread.join(60)
    if "error" in told:
        raise told["error"]
