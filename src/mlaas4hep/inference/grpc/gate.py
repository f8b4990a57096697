"""The layer around all gRPC calls: rights, rate limit, metrics, access log.

No interceptor of gRPC's: a call is looked at where its handler is looked for, which costs it no turn of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import grpc
import grpc.aio

from mlaas4hep.errors.serving import ServingError
from mlaas4hep.inference.grpc.relay import PEER
from mlaas4hep.inference.grpc.rights import right_of
from mlaas4hep.web.access.rate_limit import RateLimit, client_key
from mlaas4hep.web.access.tokens import Authenticator, Caller
from mlaas4hep.web.body_budget import FULL
from mlaas4hep.web.rights import Right
from mlaas4hep.web.telemetry.logs import ACCESS, REQUEST_ID
from mlaas4hep.web.telemetry.request_log import CUT_OFF
from mlaas4hep.web.telemetry.state import State

__all__ = ["GrpcGate"]


CODES: dict[object, str] = {code.value[0]: code.name for code in grpc.StatusCode}
STEP = 0.02
QUIET_STEPS = 3
HOLD_STEPS = 50


class _Guarded(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Handlers of several services with a gate before them."""

    def __init__(self, gate: GrpcGate, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._gate = gate
        self._handlers = tuple(handlers)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of a call."""
        metadata = dict(handler_call_details.invocation_metadata or ())
        self._gate.note(metadata.get("x-request-id"))
        handler = None
        for handlers in self._handlers:
            handler = handlers.service(handler_call_details)
            if handler is not None:
                break
        return self._gate.enter(handler_call_details.method, metadata, handler)


class GrpcGate:
    """Lets calls through that may go on.

    Args:
        state: of this process.
        authenticator: None: everybody may do everything.
        rate: None: without limit; shared with HTTP.
    """

    def __init__(self, state: State, authenticator: Authenticator | None = None, rate: RateLimit | None = None) -> None:
        self._state = state
        self._authenticator = authenticator
        self._rate = rate
        self._wrapped: dict[str, tuple[Any, Any]] = {}
        self._calls = self._taken = 0
        self._held: asyncio.Event | None = None

    async def stop(self, stop: Callable[[], Awaitable[None]], begun: Callable[[], int]) -> None:
        """Stop a server without failing a call.

        gRPC fails calls that wait to be taken when a server stops. So answers are held back until no call waits any
        more (clients that wait for an answer send nothing), and go out once clients know that it goes away.

        Args:
            stop: stops the server and waits for calls under way.
            begun: how many calls clients have begun.
        """
        self._held = asyncio.Event()
        seen, quiet, left = -1, 0, HOLD_STEPS
        while (quiet < QUIET_STEPS or self._taken < begun()) and left:
            quiet = quiet + 1 if seen == self._calls else 0
            seen, left = self._calls, left - 1
            await asyncio.sleep(STEP)
        task = asyncio.ensure_future(stop())
        await asyncio.wait({task}, timeout=QUIET_STEPS * STEP)
        self._held.set()
        await task

    def around(self, handlers: Sequence[grpc.GenericRpcHandler]) -> grpc.GenericRpcHandler:
        """Handlers of services as one, with this gate before them."""
        return _Guarded(self, handlers)

    def enter(self, method: str, metadata: Mapping[str, Any], handler: Any) -> Any:
        """The handler of a call, or one that refuses it before its message is read.

        Args:
            method: as ``/service/Method``.
            metadata: of the call.
            handler: of the method; None: there is none.
        """
        right = right_of(method)
        authenticator = self._authenticator
        if authenticator is None or right is Right.OPEN:
            return None if handler is None else self._admitted(method, right, handler)
        text = metadata.get("authorization")
        authorization = text.encode() if isinstance(text, str) else None
        caller = authenticator.remembered(authorization) if authorization else None
        if caller is None:
            return self._asking(method, right, authorization, handler)
        try:
            self._permit(caller, right, known=handler is not None)
        except ServingError as error:
            return self._refusing(method, error, caller)
        return None if handler is None else self._admitted(method, right, handler)

    def note(self, given: object) -> None:
        """Begin a request, with the id that the client gave it."""
        self._taken += 1
        REQUEST_ID.set(self._state.request_id(given.encode() if isinstance(given, str) else None))

    def _permit(self, caller: Caller, right: Right, *, known: bool) -> None:
        """Raises `ServingError` if the caller may not do this, or not now."""
        if self._authenticator is not None:
            self._authenticator.permit(caller, right)
        if self._rate is not None and known:
            self._rate.count(caller.key)

    def _admitted(self, method: str, right: Right, handler: Any) -> Any:
        known = self._wrapped.get(method)
        if known is None or known[0] is not handler:
            known = self._wrapped[method] = (handler, self._counting(method, right, handler))
        return known[1]

    def _asking(self, method: str, right: Right, authorization: bytes | None, handler: Any) -> Any:
        """A handler that looks at a token not seen before, then does what the method's own does.

        It takes messages as they come, so that none is read of a caller who is refused.
        """

        async def ask(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            caller: Caller | None = None
            start = time.perf_counter()
            try:
                assert self._authenticator is not None
                caller = await self._authenticator.caller(authorization)
                self._permit(caller, right, known=handler is not None)
            except ServingError as error:
                try:
                    await context.abort(grpc.StatusCode[error.grpc], str(error))
                finally:
                    self._done(method, right, context, start, caller, error.grpc)
            if handler is None:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            inner = self._admitted(method, right, handler)
            messages = (inner.request_deserializer(request) async for request in requests)
            if inner.unary_unary is not None:
                async for message in messages:
                    yield inner.response_serializer(await inner.unary_unary(message, context))
                    return
            else:
                async for response in inner.stream_stream(messages, context):
                    yield inner.response_serializer(response)

        return grpc.stream_stream_rpc_method_handler(ask)

    def _counting(self, method: str, right: Right, handler: Any) -> Any:
        """The handler, with its calls counted, timed and, if they fail or change something, logged."""
        limited = self._rate is not None and self._authenticator is None and right is not Right.OPEN
        bodies = self._state.bodies
        if handler.unary_unary is not None:

            async def unary(request: Any, context: Any) -> Any:
                start = time.perf_counter()
                self._calls += 1
                kept, code = 0, None
                try:
                    if limited:
                        await self._limit(context)
                    if right is Right.PREDICT:
                        size = request.ByteSize()
                        if not bodies.room(size):
                            await context.abort(grpc.StatusCode.UNAVAILABLE, FULL)
                        bodies.take(size)
                        kept = size
                    response = await handler.unary_unary(request, context)
                    if method.endswith("/ServerReady") and not self._state.ready:
                        response.ready = False
                    if self._held is not None:
                        await self._held.wait()
                    return response
                except asyncio.CancelledError:
                    code = CUT_OFF
                    raise
                finally:
                    bodies.give(kept)
                    self._done(method, right, context, start, code=code)

            return grpc.unary_unary_rpc_method_handler(unary, handler.request_deserializer, handler.response_serializer)
        if handler.stream_stream is not None:

            async def stream(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
                start, code = time.perf_counter(), None
                try:
                    if limited:
                        await self._limit(context)
                    async for response in handler.stream_stream(requests, context):
                        yield response
                except asyncio.CancelledError:
                    code = CUT_OFF
                    raise
                finally:
                    self._done(method, right, context, start, code=code)

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
                self._done(method, right_of(method), context, start, caller, error.grpc)

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
    return CODES.get(found.value[0] if isinstance(found, grpc.StatusCode) else found, "OK")


def _address(peer: str) -> str:
    """The address in ``ipv4:127.0.0.1:4711``, ``ipv6:%5B::1%5D:4711``, or the name that `Relay` gives its end."""
    if PEER in peer:
        return unquote(peer).partition(PEER)[2].partition("-")[2].rpartition("-")[0]
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
