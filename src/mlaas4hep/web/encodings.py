"""Content encodings: gzip and deflate, in bodies that come and in answers that go."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator

from mlaas4hep.errors.serving import BadRequestError, TooLargeError, UnsupportedMediaError
from mlaas4hep.web.replies import Reply

__all__ = ["WORTH", "Unpacker", "accepted_encoding", "compress", "packed", "unpack"]

IN_THREAD = 2**16
"""Bytes above which (de)compression leaves the event loop."""
WORTH = 1024
"""Bytes below which compression costs more than it saves."""
PIECE = 2**16
MEMBERS = 10_000
"""Members of a gzip body: each costs something, however little is in it."""
WINDOWS = {"gzip": 31, "deflate": 15}
RAW = -15
KNOWN = f"there are {' and '.join(WINDOWS)}"


class Unpacker:
    """Undoes the content encoding of a body that comes in pieces.

    Args:
        encoding: value of the header; gzip may have several members, deflate is zlib's format or, as some send it,
            without its frame.
        limit: bytes that may come out.

    Raises:
        UnsupportedMediaError: it is another encoding.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        name = encoding.strip().lower().removeprefix("x-")
        if name not in WINDOWS:
            raise UnsupportedMediaError(f"content-encoding {encoding[:40]!a} is not known", hint=KNOWN)
        self._gzip = name == "gzip"
        self._limit = self._left = limit
        self._members = 0
        self._worker = zlib.decompressobj(WINDOWS[name])
        self._start = b""

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield what comes out of the next bytes.

        Raises:
            BadRequestError: they are damaged, or something stands behind the end.
            TooLargeError: more than the limit comes out.
        """
        for start in range(0, len(data), PIECE):
            yield from self._piece(bytes(data[start : start + PIECE]))

    def end(self) -> None:
        """End the body; raise BadRequestError if it is cut short."""
        if not self._worker.eof:
            raise BadRequestError("the compressed body is cut short")

    def _piece(self, data: bytes) -> Iterator[bytes]:
        if not self._gzip and len(self._start) < 2:
            self._start, data = self._start + data, self._start + data
            if len(data) < 2:
                return
            if data[0] & 15 != 8 or (data[0] << 8 | data[1]) % 31:
                self._worker = zlib.decompressobj(RAW)
        while data:
            if self._worker.eof:
                self._members += 1
                if not self._gzip:
                    raise BadRequestError("something stands behind the compressed body")
                if self._members >= MEMBERS:
                    raise BadRequestError(f"the compressed body has more than {MEMBERS} members")
                self._worker = zlib.decompressobj(WINDOWS["gzip"])
            try:
                out = self._worker.decompress(data, self._left + 1)
            except zlib.error as error:
                what = "something stands behind the compressed body" if self._members else "it is damaged"
                raise BadRequestError(f"the compressed body cannot be read: {what}") from error
            self._left -= len(out)
            if self._left < 0:
                raise TooLargeError(f"the body is larger than {self._limit} bytes")
            if out:
                yield out
            data = self._worker.unused_data


async def unpack(body: bytes | memoryview, encoding: str, limit: int) -> bytes:
    """Return a body without its content encoding, unpacked in a thread if it is large.

    Args:
        body: all of it.
        encoding: value of the header, "" or identity: none.
        limit: bytes that may come out.

    Raises:
        UnsupportedMediaError, BadRequestError, TooLargeError: see `Unpacker`.
    """
    unpacker = Unpacker(encoding, limit)
    if len(body) < IN_THREAD:
        return _whole(unpacker, body)
    return await asyncio.to_thread(_whole, unpacker, body)


def _whole(unpacker: Unpacker, body: bytes | memoryview) -> bytes:
    data = b"".join(unpacker.feed(body))
    unpacker.end()
    return data


def accepted_encoding(header: str) -> str | None:
    """Return the encoding to use for an answer, of those that an accept-encoding header allows."""
    allowed: set[str] = set()
    for part in header.lower().split(","):
        name, _, quality = part.partition(";")
        if quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            allowed.add(name.strip())
    return next((name for name in WINDOWS if name in allowed), None)


async def compress(body: bytes, encoding: str) -> bytes:
    """Return the body in an encoding, packed in a thread if it is large."""
    if len(body) < IN_THREAD:
        return _packed(body, WINDOWS[encoding])
    return await asyncio.to_thread(_packed, body, WINDOWS[encoding])


def _packed(body: bytes, window: int) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, window)
    return packer.compress(body) + packer.flush()


async def packed(reply: Reply, accepted: bytes) -> Reply:
    """Return the answer, compressed if the accept-encoding header allows it and it is worth it."""
    encoding = accepted_encoding(accepted.decode("latin-1")) if accepted and len(reply.body) >= WORTH else None
    if encoding is None:
        return reply
    headers = (*reply.headers, (b"content-encoding", encoding.encode()), (b"vary", b"accept-encoding"))
    return reply._replace(body=await compress(reply.body, encoding), headers=headers)
