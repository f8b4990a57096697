"""Servers on real sockets inside the process of the tests, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import uvicorn

__all__ = ["in_thread", "listening"]

SECONDS = 60
Made = TypeVar("Made")


@contextmanager
def in_thread(make: Callable[[], AbstractAsyncContextManager[Made]]) -> Iterator[Made]:
    """Enter what `make` gives in another thread's event loop, and leave it in the end."""
    told: dict[str, Any] = {}
    ready = threading.Event()

    async def serve() -> None:
        stop = told["stop"] = asyncio.Event()
        told["loop"] = asyncio.get_running_loop()
        async with make() as made:
            told["made"] = made
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception as error:
            told["error"] = error
        finally:
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(SECONDS)
    if "made" not in told:
        raise told.get("error", TimeoutError("the server did not start"))
    try:
        yield told["made"]
    finally:
        told["loop"].call_soon_threadsafe(told["stop"].set)
        thread.join(SECONDS)
    if "error" in told:
        raise told["error"]


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[int]:
    """uvicorn around an application; its port on loopback."""
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none", access_log=False)
    config.load()
    http = uvicorn.Server(config)
    http.lifespan = config.lifespan_class(config)
    await http.startup()
    try:
        yield http.servers[0].sockets[0].getsockname()[1]
    finally:
        await http.shutdown()
