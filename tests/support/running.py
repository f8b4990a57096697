"""The protocol routes on real sockets, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
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

    http: str
    grpc: str


@contextmanager
def running(plane: Callable[[], AbstractAsyncContextManager[Any]], limits: Limits | None = None) -> Iterator[Running]:
    """Serve what `plane` makes inside the server's loop: a `DataPlane` that is also a `Management`."""
    told: dict[str, Any] = {}
    ready = threading.Event()

    async def serve() -> None:
        stop = told["stop"] = asyncio.Event()
        told["loop"] = asyncio.get_running_loop()
        async with plane() as made:
            config = uvicorn.Config(
                Starlette(routes=routes(made, made, limits)), port=0, log_level="error", lifespan="off", ws="none"
            )
            config.load()
            http = uvicorn.Server(config)
            http.lifespan = config.lifespan_class(config)
            rpc = await serve_grpc(made, made, "127.0.0.1", 0)
            await http.startup()
            port = http.servers[0].sockets[0].getsockname()[1]
            told["running"] = Running(f"127.0.0.1:{port}", f"127.0.0.1:{rpc.port}")
            ready.set()
            await stop.wait()
            await http.shutdown()
            await rpc.stop(1.0)

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
    if "running" not in told:
        raise told.get("error", TimeoutError("the server did not start"))
    try:
        yield told["running"]
    finally:
        told["loop"].call_soon_threadsafe(told["stop"].set)
        thread.join(30)
    if "error" in told:
        raise told["error"]
