"""The protocol routes on real sockets, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette

from mlaas4hep.inference.grpc.server import serve_grpc
from mlaas4hep.inference.rest.v2 import routes
from mlaas4hep.inference.settings import Limits

__all__ = ["Running", "running"]


@dataclass
class Running:
    """Where the protocols listen."""

    plane: Any
    http: int
    grpc: int


@contextmanager
def running(plane: Callable[[], Awaitable[Any]], limits: Limits | None = None) -> Iterator[Running]:
    """Serve what `plane` makes, which runs in the server's loop; both a `DataPlane` and a `Management`."""
    told: dict[str, Any] = {}
    ready = threading.Event()

    async def serve() -> None:
        try:
            made = told["plane"] = await plane()
            app = Starlette(routes=routes(made, made, limits))
            http = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
            http.config.load()
            stop = told["stop"] = asyncio.Event()
            told["loop"] = asyncio.get_running_loop()
            rpc = await serve_grpc(made, made, "127.0.0.1", 0)
            told["grpc"] = rpc.port
            http.lifespan = http.config.lifespan_class(http.config)
            await http.startup()
            told["http"] = http.servers[0].sockets[0].getsockname()[1]
            ready.set()
            await stop.wait()
            await http.shutdown()
            await rpc.stop(1.0)
            if hasattr(made, "stop"):
                await made.stop()
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(60)
    assert "http" in told, "the server did not start"
    try:
        yield Running(told["plane"], told["http"], told["grpc"])
    finally:
        told["loop"].call_soon_threadsafe(told["stop"].set)
        thread.join(30)
