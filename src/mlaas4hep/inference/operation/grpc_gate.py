"""The interceptor around all gRPC calls: rights, rate limit, metrics, access log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import grpc
import grpc.aio

from mlaas4hep.inference.failures import ServingError
from mlaas4hep.inference.operation.access import Right, right_of_grpc
from mlaas4hep.inference.operation.limits import Rate, client_key
from mlaas4hep.inference.operation.logs import ACCESS, REQUEST_ID
from mlaas4hep.inference.operation.security import Authenticator, Caller
from mlaas4hep.inference.operation.state import State

__all__ = ["GrpcGate"]


STEP = 0.02
QUIET_STEPS = 3
HOLD_STEPS = 50


class GrpcGate(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets calls through that may go on.

    Args:
        state: of this process.
        authenticator: None: everybody may do everything.
        rate: None: without limit; shared with HTTP.
    """

    def __init__(self, state: State, authenticator: Authenticator | None = None, rate: Rate | None = None) -> None:
        self._state = state
        self._authenticator = authenticator
        self._rate = rate
        self._wrapped: dict[str, tuple[Any, Any]] = {}
        self._calls = 0
        self._held: asyncio.Event | None = None

    async def stop(self, stop: Callable[[], Awaitable[None]]) -> None:
        """Stop a server without failing a call.

        gRPC fails calls that wait to be taken when a server stops. So answers are held back until no call waits any
        more (clients that wait for an answer send nothing), and go out once clients know that it goes away.

        Args:
            stop: stops the server and waits for calls under way.
        """
        self._held = asyncio.Event()
        seen, quiet, left = -1, 0, HOLD_STEPS
        while quiet < QUIET_STEPS and left:
            quiet = quiet + 1 if seen == self._calls else 0
            seen, left = self._calls, left - 1
            await asyncio.sleep(STEP)
        task = asyncio.ensure_future(stop())
        await asyncio.wait({task}, timeout=QUIET_STEPS * STEP)
        self._held.set()
        await task

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """The handler of the call, or one that refuses it before its message is read."""
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        right = right_of_grpc(method)
        metadata = dict(handler_call_details.invocation_metadata or ())
        given = metadata.get("x-request-id")
        REQUEST_ID.set(self._state.request_id(given.encode() if isinstance(given, str) else None))
        caller: Caller | None = None
        if self._authenticator is not None and right is not Right.OPEN:
            text = metadata.get("authorization")
            try:
                caller = await self._authenticator.caller(text.encode() if isinstance(text, str) else None)
                self._authenticator.permit(caller, right)
            except ServingError as error:
                return self._refusing(method, error, caller)
        if handler is None:
            return None
        if self._rate is not None and caller is not None:
            try:
                self._rate.count(caller.key)
            except ServingError as error:
                return self._refusing(method, error, caller)
        known = self._wrapped.get(method)
        if known is None or known[0] is not handler:
            known = self._wrapped[method] = (handler, self._counting(method, right, handler))
        return known[1]

    def _counting(self, method: str, right: Right, handler: Any) -> Any:
        """The handler, with its calls counted, timed and, if they fail or change something, logged."""
        limited = self._rate is not None and self._authenticator is None and right is not Right.OPEN
        if handler.unary_unary is not None:

            async def unary(request: Any, context: Any) -> Any:
                start = time.perf_counter()
                self._calls += 1
                try:
                    if limited:
                        await self._limit(context)
                    response = await handler.unary_unary(request, context)
                    if method.endswith("/ServerReady") and not self._state.ready:
                        response.ready = False
                    if self._held is not None:
                        await self._held.wait()
                    return response
                finally:
                    self._done(method, right, context, start)

            return grpc.unary_unary_rpc_method_handler(unary, handler.request_deserializer, handler.response_serializer)
        if handler.stream_stream is not None:

            async def stream(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
                start = time.perf_counter()
                try:
                    if limited:
                        await self._limit(context)
                    async for response in handler.stream_stream(requests, context):
                        yield response
                finally:
                    self._done(method, right, context, start)

            return grpc.stream_stream_rpc_method_handler(
                stream, handler.request_deserializer, handler.response_serializer
            )
        return handler

    async def _limit(self, context: Any) -> None:
        try:
            if self._rate is not None:
                self._rate.count(client_key(_address(context.peer())))
        except ServingError as error:
            await context.abort(grpc.StatusCode[error.grpc], str(error))

    def _refusing(self, method: str, error: ServingError, caller: Caller | None) -> Any:
        async def refuse(_requests: Any, context: Any) -> None:
            start = time.perf_counter()
            try:
                await context.abort(grpc.StatusCode[error.grpc], str(error))
            finally:
                self._done(method, right_of_grpc(method), context, start, caller, error.grpc)

        return grpc.stream_stream_rpc_method_handler(refuse)

    def _done(
        self,
        method: str,
        right: Right,
        context: Any,
        start: float,
        caller: Caller | None = None,
        code: str | None = None,
    ) -> None:
        code = code or _code(context)
        seconds = time.perf_counter() - start
        self._state.metrics.request("grpc", "CALL", "other" if code == "UNIMPLEMENTED" else method, code, seconds)
        if code != "OK" or right is Right.MANAGE:
            fields = {
                "client": _address(context.peer()),
                "subject": caller.subject if caller else "",
                "method": "gRPC",
                "path": method[:500],
                "status": code,
                "milliseconds": round(seconds * 1000, 3),
            }
            ACCESS.info("request", extra={"fields": fields})


def _code(context: Any) -> str:
    found = context.code()
    names: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
    return names.get(found.value[0] if isinstance(found, grpc.StatusCode) else found, "OK")


def _address(peer: str) -> str:
    """The address in ``ipv4:127.0.0.1:4711`` or ``ipv6:%5B::1%5D:4711``."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
