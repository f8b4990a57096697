"""Serves the gRPC service in the running event loop, with gRPC's health and reflection services beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.grpc.service import SERVICE, handlers
from mlaas4hep.inference.server import Server

__all__ = ["GrpcServer", "serve_grpc"]

_MESSAGE = 64 * 2**20


class GrpcServer:
    """A running server.

    Attributes:
        port: where it listens.
    """

    def __init__(self, server: grpc.aio.Server, health_calls: health.aio.HealthServicer, port: int) -> None:
        self.port = port
        self._server = server
        self._health = health_calls

    async def stop(self, grace: float | None = None) -> None:
        """Take no new calls, report as not serving, and wait for those in flight.

        Args:
            grace: seconds after which calls still in flight are cancelled; None: at once.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)


async def serve_grpc(
    inference: Server,
    host: str,
    port: int | None,
    *,
    around: Callable[[Sequence[grpc.GenericRpcHandler]], grpc.GenericRpcHandler] | None = None,
    max_message: int = _MESSAGE,
) -> GrpcServer:
    """Start to serve.

    Args:
        inference: runs, describes, loads and unloads models.
        host: address to listen on, e.g. ``127.0.0.1``, ``0.0.0.0`` or ``::``.
        port: 0: any free one; None: the host is a whole address in gRPC's form, e.g. ``unix:/path``.
        around: puts authentication, limits, metrics before the handlers of all services.
        max_message: bytes of a request, also once unpacked.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    services = _Services()
    services.add_generic_rpc_handlers((handlers(inference),))
    health_calls = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_calls, services)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflection.aio.ReflectionServicer(names), services)
    server = grpc.aio.server(
        options=(
            ("grpc.max_receive_message_length", max_message),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ),
    )
    server.add_generic_rpc_handlers(services.handlers if around is None else (around(services.handlers),))
    address = host if port is None else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ConfigError("gRPC cannot listen there; the port is taken or not allowed", where=address) from error
    await server.start()
    for name in ("", SERVICE):
        await health_calls.set(name, health_pb2.HealthCheckResponse.SERVING)
    return GrpcServer(server, health_calls, bound)


class _Services:
    """Collects handlers in the place of a server."""

    def __init__(self) -> None:
        self.handlers: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, found: Sequence[grpc.GenericRpcHandler]) -> None:
        self.handlers += found

    def add_registered_method_handlers(self, *_: object) -> None:
        """Do nothing: these are the same handlers, for servers that find methods another way."""
