"""The layer around all gRPC calls: access, rate limit, body budget, metrics, request log.

No interceptor of gRPC's: a call is looked at where its handler is looked for, which costs it no turn of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

import grpc

from mlaas4hep.errors.serving import ServingError
from mlaas4hep.inference.grpc.graceful_stop import GracefulStop
from mlaas4hep.inference.grpc.relay import PEER
from mlaas4hep.inference.grpc.rights import right_of
from mlaas4hep.web.access.admission import Admission, Client
from mlaas4hep.web.access.tokens import Caller
from mlaas4hep.web.rights import Right
from mlaas4hep.web.telemetry.logs import REQUEST_ID
from mlaas4hep.web.telemetry.request_log import CUT_OFF, log_request
from mlaas4hep.web.telemetry.state import State

__all__ = ["GrpcGate"]

CODES: dict[object, str] = {code.value[0]: code.name for code in grpc.StatusCode}
CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""Whom the token of the call names."""


class GrpcGate(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Handlers of several services, before which calls are admitted and counted.

    Args:
        state: of this process.
        admission: decides who may call; the same as HTTP's.

    Attributes:
        stopping: holds answers back while the server stops.
    """

    def __init__(self, state: State, admission: Admission) -> None:
        self.stopping = GracefulStop()
        self._state = state
        self._admission = admission
        self._services: tuple[grpc.GenericRpcHandler, ...] = ()
        self._admitted_calls: dict[str, Any] = {}

    def around(self, services: Sequence[grpc.GenericRpcHandler]) -> GrpcGate:
        """Put the gate before these services, and return it."""
        self._services = tuple(services)
        return self

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of a call, one that refuses it before its message is read, or None if there is none."""
        metadata = dict(details.invocation_metadata or ())
        method, given = details.method, metadata.get("x-request-id")
        self.stopping.taken += 1
        REQUEST_ID.set(self._state.request_id(given.encode() if isinstance(given, str) else None))
        right = right_of(method)
        if not self._admission.tokens or right is Right.OPEN:
            return self._admitted(method, right, details)
        text = metadata.get("authorization")
        authorization = text.encode() if isinstance(text, str) else None
        caller = self._admission.remembered(authorization)
        if caller is None:
            return self._asking(method, right, authorization, details)
        admitted = self._admitted(method, right, details)
        try:
            self._admit(caller, right, None, known=admitted is not None)
        except ServingError:
            return self._asking(method, right, authorization, details)
        return admitted

    def _admit(self, caller: Caller | None, right: Right, client: Client, *, known: bool) -> None:
        """Raise `ServingError` if the caller may not do this, or not now."""
        CALLER.set(caller)
        self._admission.allow("POST", right, caller)
        if known:
            self._admission.count(caller, client)

    def _asking(self, method: str, right: Right, authorization: bytes | None, details: Any) -> Any:
        """Return a handler that asks for the caller of a token, then does what the method's own does, or refuses.

        It takes messages as they come, so that none is read of a caller who is refused.
        """

        async def ask(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            start = time.perf_counter()
            inner = self._admitted(method, right, details)
            try:
                client = _client(context.peer())
                caller = await self._admission.caller(authorization, client)
                self._admit(caller, right, client, known=inner is not None)
            except ServingError as error:
                try:
                    await context.abort(grpc.StatusCode[error.grpc], str(error))
                finally:
                    self._done(method, right, context, start, error.grpc)
            if inner is None:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            messages = (inner.request_deserializer(request) async for request in requests)
            if inner.unary_unary is not None:
                async for message in messages:
                    yield inner.response_serializer(await inner.unary_unary(message, context))
                    return
            else:
                async for response in inner.stream_stream(messages, context):
                    yield inner.response_serializer(response)

        return grpc.stream_stream_rpc_method_handler(ask)

    def _admitted(self, method: str, right: Right, details: Any) -> Any:
        """Return the method's own handler, with its calls counted; None: there is no such method."""
        known = self._admitted_calls.get(method)
        if known is None:
            handler = next((found for service in self._services if (found := service.service(details))), None)
            if handler is None:
                return None
            if handler.unary_unary is not None:
                handler = self._unary(method, right, handler)
            elif handler.stream_stream is not None:
                handler = self._stream(method, right, handler)
            known = self._admitted_calls[method] = handler
        return known

    def _unary(self, method: str, right: Right, handler: Any) -> Any:
        by_address = self._admission.limited and not self._admission.tokens and right is not Right.OPEN
        asks_ready = method.endswith("/ServerReady")
        bodies, stopping, call = self._state.bodies, self.stopping, handler.unary_unary

        async def unary(request: Any, context: Any) -> Any:
            start = time.perf_counter()
            stopping.begun += 1
            kept, code = 0, None
            try:
                try:
                    if by_address:
                        self._admission.count(None, _client(context.peer()))
                    if right is Right.PREDICT:
                        size = request.ByteSize()
                        bodies.take(size)
                        kept = size
                except ServingError as error:
                    await context.abort(grpc.StatusCode[error.grpc], str(error))
                response = await call(request, context)
                if asks_ready and not self._state.ready:
                    response.ready = False
                if stopping.held is not None:
                    await stopping.held.wait()
                return response
            except asyncio.CancelledError:
                code = CUT_OFF
                raise
            finally:
                bodies.give(kept)
                self._done(method, right, context, start, code)

        return grpc.unary_unary_rpc_method_handler(unary, handler.request_deserializer, handler.response_serializer)

    def _stream(self, method: str, right: Right, handler: Any) -> Any:
        by_address = self._admission.limited and not self._admission.tokens and right is not Right.OPEN

        async def stream(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            start, code = time.perf_counter(), None
            try:
                if by_address:
                    try:
                        self._admission.count(None, _client(context.peer()))
                    except ServingError as error:
                        await context.abort(grpc.StatusCode[error.grpc], str(error))
                async for response in handler.stream_stream(requests, context):
                    yield response
            except asyncio.CancelledError:
                code = CUT_OFF
                raise
            finally:
                self._done(method, right, context, start, code)

        return grpc.stream_stream_rpc_method_handler(stream, handler.request_deserializer, handler.response_serializer)

    def _done(self, method: str, right: Right, context: Any, start: float, code: str | None) -> None:
        """Count a call that has ended, and log it if it failed or changed something."""
        if code is None:
            found = context.code()
            code = CODES.get(found.value[0] if isinstance(found, grpc.StatusCode) else found, "OK")
        seconds = time.perf_counter() - start
        self._state.metrics.request("grpc", "CALL", "other" if code == "UNIMPLEMENTED" else method, code, seconds)
        if code != "OK" or right is Right.MANAGE:
            log_request("gRPC", method, code, seconds, _client(context.peer()), CALLER.get())


def _client(peer: str) -> Client:
    """Return the address in ``ipv4:127.0.0.1:4711``, ``ipv6:%5B::1%5D:4711``, or the name of a relay's end."""
    if PEER in peer:
        address, _, port = unquote(peer).partition(PEER)[2].partition("-")[2].rpartition("-")
    else:
        address, _, port = unquote(peer).partition(":")[2].rpartition(":")
    return (address.strip("[]"), 0) if port else None
