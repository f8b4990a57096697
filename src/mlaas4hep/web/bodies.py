"""Reading bodies within their limits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from mlaas4hep.errors.serving import BadRequestError, TooLargeError
from mlaas4hep.web.encodings import Unpacker, unpack
from mlaas4hep.web.errors import UnreadBodyError

__all__ = [
    "SMALL_BODY",
    "SMALL_JSON",
    "Buffer",
    "check_json",
    "decode_json",
    "read_body",
    "read_json",
    "read_parts",
    "too_large",
]

Buffer: TypeAlias = bytes | memoryview
"""A body, and where raw tensors lie."""

JSON_MEMORY = 512 * 2**20
"""Bytes that the Python objects of one JSON body may take."""
SMALL_BODY = 2**20
"""Bytes of a JSON body that carries no events."""
SMALL_JSON = 2 * 2**20
"""Bytes up to which nothing is counted."""
COSTS = ((b",", 40), (b'"', 20), (b":", 80), (b"[", 100), (b"{", 200))
"""Bytes of memory for what a character stands for: an entry, half a string, a key, a list, an object; rounded up."""
ALIGNMENT = 64


async def read_body(scope: Scope, receive: Receive, limit: int, *, header: int | None = None) -> Buffer:
    """Return the whole body of a request, unpacked if it came with gzip or deflate.

    Args:
        scope: of the request.
        receive: of the request.
        limit: bytes, before and after unpacking. A length announced in the header is refused before a byte is read.
        header: bytes of JSON before binary tensors; a body that comes in parts is put together so that the tensors are
            aligned and need no second copy. None: there are no tensors.

    Raises:
        TooLargeError: above the limit.
        UnsupportedMediaError: another content encoding.
        BadRequestError: damaged compression.
        ClientDisconnect: nobody waits for the answer.
    """
    encoding = _announced(scope, limit)
    message = await receive()
    parts: list[bytes] = [message.get("body", b"")]
    total = len(parts[0])
    while message.get("more_body", False):
        if total > limit:
            raise too_large(limit, unread=True)
        message = await receive()
        parts.append(message.get("body", b""))
        total += len(parts[-1])
    if message["type"] != "http.request":
        raise ClientDisconnect
    if total > limit:
        raise too_large(limit)
    if encoding:
        return await unpack(parts[0] if len(parts) == 1 else b"".join(parts), encoding, limit)
    if len(parts) == 1:
        return parts[0]
    return b"".join(parts) if header is None else _aligned(parts, total, header)


async def read_parts(request: Request, limit: int, *, unpacked: bool = True) -> AsyncIterator[bytes]:
    """Yield the parts of a body as they come, for what is too large for memory; errors as for `read_body`.

    Args:
        request: whose body is read.
        limit: bytes, before and after unpacking.
        unpacked: False: the content encoding is left as it is.
    """
    encoding = _announced(request.scope, limit)
    unpacker = Unpacker(encoding, limit) if encoding and unpacked else None
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(limit, unread=True)
        if unpacker is not None:
            for out in unpacker.feed(part):
                yield out
        elif part:
            yield part
    if unpacker is not None:
        unpacker.end()


def _announced(scope: Scope, limit: int) -> str:
    """Return a body's content encoding, "" for none; raise TooLargeError if its announced length is above the limit."""
    encoding = ""
    for name, value in scope["headers"]:
        if name == b"content-encoding":
            encoding = value.decode("latin-1").strip().lower()
        elif name == b"content-length" and value.isdigit() and (len(value) > 18 or int(value) > limit):
            raise too_large(limit, unread=True)
    return "" if encoding == "identity" else encoding


def _aligned(parts: Sequence[bytes], total: int, header: int) -> Buffer:
    room = np.empty(total + ALIGNMENT, np.uint8)
    offset = -(room.ctypes.data + header) % ALIGNMENT
    body = room[offset : offset + total]
    start = 0
    for part in parts:
        body[start : start + len(part)] = np.frombuffer(part, np.uint8)
        start += len(part)
    return body.data


async def read_json(request: Request, limit: int = SMALL_BODY) -> dict[str, Any]:
    """Return the body as a JSON object; an empty body is an empty object."""
    body = bytes(await read_body(request.scope, request.receive, limit))
    return decode_json(body) if body.strip() else {}


def decode_json(body: bytes) -> dict[str, Any]:
    """Return a JSON object, with the NaN and Infinity that Python's clients write.

    Raises:
        BadRequestError: it is not JSON, or no object.
        TooLargeError: see `check_json`.
    """
    check_json(body)
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        data = _lenient(body, error)
    if type(data) is not dict:
        raise BadRequestError("the body must be a JSON object")
    return data


def check_json(body: bytes) -> None:
    """Check, before it is decoded, that a large JSON body does not become many times larger in memory.

    Raises:
        TooLargeError: it holds too many values.
    """
    if len(body) > SMALL_JSON and sum(cost * body.count(character) for character, cost in COSTS) > JSON_MEMORY:
        raise TooLargeError("the JSON holds too many values", hint="send fewer events at a time, or binary tensors")


def _lenient(body: bytes, error: orjson.JSONDecodeError) -> Any:
    if b"NaN" in body or b"Infinity" in body:
        try:
            data = json.loads(body)
            if b"\\ud" in body.lower():  # halves of characters, which orjson refuses too
                json.dumps(data, ensure_ascii=False).encode()
            return data
        except (ValueError, RecursionError):
            pass
    raise BadRequestError(f"the body is not valid JSON: {error}") from None


def too_large(limit: int, *, unread: bool = False) -> TooLargeError:
    """Return the error of a body with more bytes than allowed, some of them perhaps not read yet."""
    kind = UnreadBodyError if unread else TooLargeError
    return kind(f"the body is larger than {limit} bytes")
