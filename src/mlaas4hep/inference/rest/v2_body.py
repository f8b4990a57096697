"""Bodies of the infer call: read up to a limit, compressed or not, and written the same way."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

import numpy as np
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from mlaas4hep.inference.failures import BadRequestError, UnsupportedMediaError
from mlaas4hep.inference.protocol.raw import Buffer
from mlaas4hep.inference.rest.bodies import too_large
from mlaas4hep.inference.rest.replies import Reply

__all__ = ["WORTH", "accepted_encoding", "compress", "decompress", "packed", "read"]

_ALIGNMENT = 64
_IN_THREAD = 2**16  # bytes above which (de)compression leaves the event loop
WORTH = 1024
"""Bytes below which compression costs more than it saves."""
_WINDOWS = {"gzip": 31, "deflate": 15}


async def read(receive: Receive, limit: int, announced: int, header: int | None) -> Buffer:
    """The body of a request.

    Args:
        receive: of ASGI.
        limit: bytes it may have.
        announced: its content-length, or -1.
        header: bytes of JSON before binary tensors; a body that comes in parts is put together so that the tensors
            are aligned and need no second copy. None: there are no tensors.

    Raises:
        TooLargeError: it has more bytes.
        ClientDisconnect: the client went away.
    """
    if announced > limit:
        raise too_large(limit, unread=True)
    message = await receive()
    parts: list[bytes] = [message.get("body", b"")]
    total = len(parts[0])
    while message.get("more_body", False):
        if total > limit:
            raise too_large(limit, unread=True)
        message = await receive()
        parts.append(message.get("body", b""))
        total += len(parts[-1])
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if total > limit:
        raise too_large(limit)
    if len(parts) == 1:
        return parts[0]
    if header is None:
        return b"".join(parts)
    return _aligned(parts, total, header)


def _aligned(parts: Sequence[bytes], total: int, header: int) -> Buffer:
    room = np.empty(total + _ALIGNMENT, np.uint8)
    place = -(room.ctypes.data + header) % _ALIGNMENT
    body = room[place : place + total]
    start = 0
    for part in parts:
        body[start : start + len(part)] = np.frombuffer(part, np.uint8)
        start += len(part)
    return body.data


async def decompress(body: Buffer, encoding: str, limit: int) -> Buffer:
    """The body behind a content-encoding.

    Raises:
        UnsupportedMediaError: the encoding is neither gzip nor deflate.
        TooLargeError: it unpacks to more than the limit.
        BadRequestError: it is damaged.
    """
    if encoding == "identity":
        return body
    if encoding not in _WINDOWS:
        raise UnsupportedMediaError(f"content-encoding {encoding!r} is not known", hint="there are gzip and deflate")
    if len(body) < _IN_THREAD:
        return _unpacked(bytes(body), _WINDOWS[encoding], limit)
    return await asyncio.to_thread(_unpacked, bytes(body), _WINDOWS[encoding], limit)


def _unpacked(data: bytes, window: int, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    try:
        while data:  # a gzip file may have several members
            unpacker = zlib.decompressobj(window)
            parts.append(unpacker.decompress(data, left + 1))
            left -= len(parts[-1])
            if left < 0:
                raise too_large(limit)
            if not unpacker.eof:
                raise BadRequestError("the compressed body is cut short")
            data = unpacker.unused_data
    except zlib.error as error:
        raise BadRequestError("the compressed body is damaged") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def accepted_encoding(header: str) -> str | None:
    """The encoding to use for an answer, of those that an accept-encoding header allows."""
    allowed: set[str] = set()
    for part in header.lower().split(","):
        name, _, quality = part.partition(";")
        if quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            allowed.add(name.strip())
    return next((name for name in _WINDOWS if name in allowed), None)


async def compress(body: bytes, encoding: str) -> bytes:
    """The body in an encoding, in a thread if it is large."""
    if len(body) < _IN_THREAD:
        return _packed(body, _WINDOWS[encoding])
    return await asyncio.to_thread(_packed, body, _WINDOWS[encoding])


def _packed(body: bytes, window: int) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, window)
    return packer.compress(body) + packer.flush()


async def packed(reply: Reply, accepted: bytes) -> Reply:
    """The answer, compressed if the accept-encoding header allows it and it is worth it."""
    encoding = accepted_encoding(accepted.decode("latin-1")) if accepted and len(reply.body) >= WORTH else None
    if encoding is None:
        return reply
    headers = (*reply.headers, (b"content-encoding", encoding.encode()), (b"vary", b"accept-encoding"))
    return reply._replace(body=await compress(reply.body, encoding), headers=headers)
