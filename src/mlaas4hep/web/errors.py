"""Every failure becomes one shape, ``{"error": "..."}``, with the status that says whose mistake it was."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.serving import OverloadedError, ServingError, TooLargeError
from mlaas4hep.web.replies import Reply

__all__ = ["Failures", "UnreadBodyError", "error_reply", "send_failure"]

LOG = logging.getLogger("mlaas4hep.serve")
LONGEST = 2000
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 2**20


class UnreadBodyError(TooLargeError):
    """The body is larger than allowed, and the client is still sending it."""


def error_reply(error: Exception) -> Reply:
    """Return the answer to a request that failed.

    A `ServingError` has its own status, any other error of ours is the client's mistake (400). What nobody expected is
    logged with its traceback under an id that the client is told, and says nothing else (500).
    """
    if isinstance(error, ServingError):
        return Reply(_body(str(error)), error.status, headers=_raw(error.headers))
    if isinstance(error, HTTPException):
        return Reply(_body(error.detail), error.status_code, headers=_raw(error.headers or {}))
    if isinstance(error, MLaaS4HEPError):
        return Reply(_body(str(error)), 400)
    number = secrets.token_hex(8)
    LOG.error("unexpected error %s", number, exc_info=error)
    return Reply(orjson.dumps({"error": "internal error", "id": number}), 500)


async def send_failure(error: Exception, receive: Receive, send: Send, *, unread: bool = False) -> None:
    """Send the answer to a failed request without a `Response`.

    Where much of the body is not read yet, the connection ends, but the client gets two seconds and 64 MiB to find out:
    many read only after they have written.

    Args:
        error: what happened.
        receive: the rest of the body, if there is one.
        send: where the answer goes.
        unread: much of the body is not read yet; some errors say so themselves.
    """
    reply = error_reply(error)
    more_body = unread or isinstance(error, UnreadBodyError | OverloadedError)
    raw = [(b"content-type", reply.kind), (b"content-length", b"%d" % len(reply.body)), *reply.headers]
    if more_body:
        raw.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": reply.body, "more_body": more_body})
    if more_body:
        await _drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Failures:
    """Wraps an ASGI application: no error leaves it, as long as the answer has not begun."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, complete = False, False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        async def watched_receive() -> Message:
            nonlocal complete
            message = await receive()
            complete = not message.get("more_body", False)
            return message

        try:
            await self.app(scope, watched_receive, watched_send)
        except ClientDisconnect:
            return
        except Exception as error:
            if started:
                LOG.exception("failed after the answer had begun: %s", scope["path"])
                raise
            await send_failure(error, receive, send, unread=not complete and _large(scope))


def _body(text: str) -> bytes:
    """Return the text as JSON; lone surrogates, which names from JSON may hold, are replaced."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} ..."
    return orjson.dumps({"error": text.encode("utf-8", "replace").decode()})


def _raw(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


def _large(scope: Scope) -> bool:
    """Return whether the body of a request is large, or of unknown length."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and len(value) > 5):
            return True
    return False


async def _drain(receive: Receive) -> None:
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return
