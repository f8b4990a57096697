"""A JSON value in a file, with a checksum."""

from __future__ import annotations

import json
from typing import Any

import xxhash

from mlaas4hep.streaming.cache.descriptor import Descriptor, read_at
from mlaas4hep.streaming.cache.head import Damaged
from mlaas4hep.streaming.cache.key import FORMAT, Json

__all__ = ["from_bytes", "read_document", "to_bytes"]


def to_bytes(key: str, value: Json) -> bytes:
    """Return a line that says what follows, then the value.

    Raises:
        TypeError: the value is not JSON.
    """
    body = json.dumps(value, separators=(",", ":")).encode("ascii")
    return _line(key, body) + body


def from_bytes(key: str, data: bytes) -> Any:
    """Return the value.

    Raises:
        Damaged: these are not the bytes that were written under this key.
    """
    line, newline, body = data.partition(b"\n")
    if line + newline != _line(key, body):
        what = "it does not have its checksum"
        raise Damaged(what)
    return json.loads(body)


def read_document(descriptor: Descriptor, size: int, key: str) -> Any:
    """Return the value out of an open file of this many bytes.

    Raises:
        Damaged: it is not as it was written.
        OSError: the system refuses.
    """
    data = bytearray(size)
    with descriptor.use() as number, memoryview(data) as view:
        count = read_at(number, view, 0)
    return from_bytes(key, bytes(data[:count]))


def _line(key: str, body: bytes) -> bytes:
    digest = xxhash.xxh3_128_hexdigest(key.encode("ascii") + body)
    return f"MLaaS4HEP cache document {FORMAT} {key} {digest}\n".encode("ascii")
