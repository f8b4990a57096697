"""The routes of the Open Inference Protocol over REST and gRPC, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette

from mlaas4hep.inference.grpc.server import serve_grpc
from mlaas4hep.inference.rest.v2.routes import routes
from mlaas4hep.inference.settings import Limits
from tests.support.looped import in_thread, listening

__all__ = ["Running", "running"]


@dataclass
class Running:
    """Where the protocols listen."""

    http: str
    grpc: str


@contextmanager
def running(plane: Callable[[], AbstractAsyncContextManager[Any]], limits: Limits | None = None) -> Iterator[Running]:
    """Serve what `plane` makes inside the server's loop: a `DataPlane` that is also a `Management`."""

    @asynccontextmanager
    async def made() -> AsyncIterator[Running]:
        async with plane() as own:
            rpc = await serve_grpc(own, own, "127.0.0.1", 0)
            async with listening(Starlette(routes=routes(own, own, limits))) as port:
                yield Running(f"127.0.0.1:{port}", f"127.0.0.1:{rpc.port}")
            await rpc.stop(1.0)

    with in_thread(made) as found:
        yield found
