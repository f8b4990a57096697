from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from mlaas4hep.errors.serving import BadRequestError, TooLargeError, UnsupportedMediaError
from mlaas4hep.web import encodings
from mlaas4hep.web.bodies import read_body


def sender(messages: Iterable[dict[str, Any]]) -> Receive:
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    return receive


def parts(*contents: bytes) -> Receive:
    return sender(
        {"type": "http.request", "body": content, "more_body": number + 1 < len(contents)}
        for number, content in enumerate(contents)
    )


def read(receive: Receive, limit: int = 100, announced: int = -1, header: int | None = None) -> Any:
    headers = [(b"content-length", b"%d" % announced)] if announced >= 0 else []
    return asyncio.run(read_body({"headers": headers}, receive, limit, header=header))


def test_parts_are_put_together() -> None:
    assert read(parts(b"ab", b"", b"cd")) == b"abcd"
    assert read(parts(b"")) == b""


@pytest.mark.parametrize("header", [0, 1, 7, 63, 64])
def test_tensors_of_a_body_in_parts_are_aligned(header: int) -> None:
    content = bytes(range(96))
    body = read(parts(content[:5], content[5:70], content[70:]), header=header)
    assert bytes(body) == content
    assert np.frombuffer(body, np.uint8)[header:].ctypes.data % 64 == 0


def test_a_body_above_the_limit_is_refused_announced_or_not() -> None:
    with pytest.raises(TooLargeError, match="100 bytes"):
        read(sender([]), announced=101)
    with pytest.raises(TooLargeError, match="100 bytes"):
        read(parts(bytes(101)))
    with pytest.raises(TooLargeError, match="100 bytes"):
        read(sender([{"type": "http.request", "body": bytes(60), "more_body": True}] * 2))


def test_a_client_that_goes_away() -> None:
    with pytest.raises(ClientDisconnect):
        read(sender([{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]))


@pytest.mark.parametrize("size", [1, 1000, 300_000])
def test_compressed_bodies_come_back(size: int) -> None:
    content = bytes(np.random.default_rng(1).integers(0, 255, size, np.uint8))
    for encoding, packed in (
        ("gzip", gzip.compress(content)),
        ("deflate", zlib.compress(content)),
        ("gzip", gzip.compress(content) + gzip.compress(b"more")),
    ):
        expected = content + b"more" if packed.endswith(gzip.compress(b"more")[-8:]) and packed != content else content
        assert asyncio.run(encodings.unpack(packed, encoding, 10**6)) == expected


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [10, 300_000])
def test_what_is_compressed_is_read_by_others(encoding: str, size: int) -> None:
    content = bytes(np.random.default_rng(1).integers(0, 255, size, np.uint8))
    packed = asyncio.run(encodings.compress(content, encoding))
    assert (gzip.decompress if encoding == "gzip" else zlib.decompress)(packed) == content


def test_a_bomb_is_refused() -> None:
    bomb = zlib.compress(bytes(10**6))
    with pytest.raises(TooLargeError, match="larger than 1000 bytes"):
        asyncio.run(encodings.unpack(bomb, "deflate", 1000))


def test_damaged_short_and_unknown() -> None:
    packed = gzip.compress(b"some content that is long enough")
    with pytest.raises(BadRequestError, match="the compressed body cannot be read: it is damaged"):
        asyncio.run(encodings.unpack(b"no gzip", "gzip", 1000))
    with pytest.raises(BadRequestError, match="the compressed body is cut short"):
        asyncio.run(encodings.unpack(packed[:-3], "gzip", 1000))
    with pytest.raises(UnsupportedMediaError, match="content-encoding 'br' is not known; there are gzip and deflate"):
        asyncio.run(encodings.unpack(packed, "br", 1000))


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("deflate, GZIP;q=0.5", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("br, *", None),
        ("identity", None),
    ],
)
def test_accepted_encodings(header: str, encoding: str | None) -> None:
    assert encodings.accepted_encoding(header) == encoding
