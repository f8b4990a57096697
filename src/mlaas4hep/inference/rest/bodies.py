"""Reading bodies within their limits."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from mlaas4hep.inference.failures import BadRequestError, TooLargeError, UnsupportedMediaError
from mlaas4hep.inference.rest.errors import UnreadBodyError

__all__ = ["SMALL_JSON", "check_json", "decode_json", "limited", "read_body", "read_json", "too_large"]

JSON_MEMORY = 512 * 2**20
"""Bytes that the Python objects of one JSON body may take."""
SMALL_JSON = 2 * 2**20
"""Bytes up to which nothing is counted."""
COSTS = ((b",", 40), (b'"', 20), (b":", 80), (b"[", 100), (b"{", 200))
"""Bytes of memory for what a character stands for: an entry, half a string, a key, a list, an object; rounded up."""
HEADERS = frozenset((b"content-length", b"content-encoding"))


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body of a request, unpacked if it came with gzip or deflate.

    Args:
        scope: of the request.
        receive: of the request.
        limit: bytes, before and after unpacking. A length announced in the header is refused before a byte is read.

    Raises:
        TooLargeError: above the limit.
        UnsupportedMediaError: another content encoding.
        BadRequestError: damaged compression.
        ClientDisconnect: nobody waits for the answer.
    """
    encoding = b""
    for name, value in scope["headers"]:
        if name in HEADERS:
            if name == b"content-encoding":
                encoding = value
            elif value.isdigit() and (len(value) > 18 or int(value) > limit):
                raise too_large(limit, unread=True)
    message = await receive()
    if message["type"] != "http.request":
        raise ClientDisconnect
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        parts, size = [body], len(body)
        while message.get("more_body", False):
            if size > limit:
                raise too_large(limit, unread=True)
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            part = message.get("body", b"")
            size += len(part)
            parts.append(part)
        body = b"".join(parts)
    if len(body) > limit:
        raise too_large(limit)
    return _unpacked(body, encoding.strip().lower(), limit) if encoding else body


async def limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The parts of a body as they come; errors as for `read_body`."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and (len(length) > 18 or int(length) > limit):
        raise too_large(limit, unread=True)
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(limit, unread=True)
        if part:
            yield part


async def read_json(request: Request, limit: int) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object."""
    body = await read_body(request.scope, request.receive, limit)
    return decode_json(body) if body.strip() else {}


def decode_json(body: bytes) -> dict[str, Any]:
    """A JSON object, with the NaN and Infinity that Python's clients write.

    Raises:
        BadRequestError: it is no JSON, or no object.
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
    """See, before it is decoded, that a large JSON body does not become many times larger in memory.

    Raises:
        TooLargeError: it holds too many values.
    """
    if len(body) > SMALL_JSON and sum(cost * body.count(character) for character, cost in COSTS) > JSON_MEMORY:
        raise TooLargeError("the JSON holds too many values", hint="send fewer events at a time, or binary tensors")


def _lenient(body: bytes, error: orjson.JSONDecodeError) -> Any:
    if b"NaN" in body or b"Infinity" in body:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            pass
    raise BadRequestError(f"the body is not valid JSON: {error}") from None


def too_large(limit: int, *, unread: bool = False) -> TooLargeError:
    """The body has more bytes than allowed, some of them perhaps not read yet."""
    kind = UnreadBodyError if unread else TooLargeError
    return kind(f"the body is larger than {limit} bytes")


def _unpacked(body: bytes, encoding: bytes, limit: int) -> bytes:
    if encoding == b"identity":
        return body
    if encoding not in (b"gzip", b"deflate"):
        raise UnsupportedMediaError(
            f"content encoding {encoding.decode('latin-1')!r} is not known", hint="send it plain, with gzip or deflate"
        )
    worker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        data = worker.decompress(body, limit + 1)
    except zlib.error as error:
        raise BadRequestError(f"the compressed body is damaged ({error})") from None
    if len(data) > limit:
        raise too_large(limit)
    if not worker.eof:
        raise BadRequestError("the compressed body is truncated")
    return data
