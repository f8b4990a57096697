"""Replies of one piece, the same whether they go out through ASGI or straight to the connection."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NamedTuple, TypeAlias

from starlette.types import Send

__all__ = ["PendingReply", "Reply", "send_reply"]


class Reply(NamedTuple):
    """An answer.

    Attributes:
        body: all of it.
        status: of HTTP.
        kind: its content type.
        headers: others; without its length.
    """

    body: bytes
    status: int = 200
    kind: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


PendingReply: TypeAlias = Reply | Awaitable[Reply]
"""A reply, or something to await where it takes longer."""


async def send_reply(reply: Reply, send: Send) -> None:
    """Send it through ASGI."""
    headers = [(b"content-type", reply.kind), *reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
