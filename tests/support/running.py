"""The routes of the Open Inference Protocol over REST and gRPC, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from mlaas4hep.inference.grpc.server import serve_grpc
from mlaas4hep.inference.rest.app import create_app
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.settings import Limits, Settings
from mlaas4hep.web.telemetry.state import State
from tests.support.looped import in_thread, listening

__all__ = ["Running", "running"]


@dataclass
class Running:
    """Where the protocols listen."""

    http: str
    grpc: str


@contextmanager
def running(plane: Callable[[], AbstractAsyncContextManager[Any]], limits: Limits | None = None) -> Iterator[Running]:
    """Serve what `plane` makes inside the server's loop: a `Server`."""

    @asynccontextmanager
    async def made() -> AsyncIterator[Running]:
        async with plane() as own:
            rpc = await serve_grpc(own, "127.0.0.1", 0)
            resources = Resources(own, Settings(limits=limits or Limits()), State(ready=True))
            async with listening(create_app(resources)) as port:
                yield Running(f"127.0.0.1:{port}", f"127.0.0.1:{rpc.port}")
            await rpc.stop(1.0)

    with in_thread(made) as found:
        yield found
