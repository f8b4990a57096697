"""The first bytes of an entry: what it is, and a checksum for each range of each column."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from mlaas4hep.streaming.cache.key import FORMAT
from mlaas4hep.streaming.cache.shape import Shape, aligned

__all__ = ["Damaged", "Table", "checksum", "encode", "file_size", "head_size", "new_table", "table_of"]

Table = NDArray[np.uint64]
"""Checksums, uint64 [ranges, 1 + columns]."""

_MAGIC = b"MLHEPBLK"
_PREAMBLE = struct.Struct("<8sIIQ16s128s24x")  # magic, version, 0, bytes of the head, digest of what follows, key
_CHECKSUM = np.dtype("<u8")


class Damaged(Exception):
    """A file is not as it was written; the message says in what."""


def checksum(data: Any) -> int:
    """XXH3, 64 bits, of a C-contiguous buffer; other threads run meanwhile."""
    return xxhash.xxh3_64_intdigest(data)


def new_table(shape: Shape) -> Table:
    """Return a table without checksums."""
    return np.zeros((len(shape.ranges), len(shape.names)), dtype=np.uint64)


def head_size(shape: Shape) -> int:
    """Return bytes before the first range, a multiple of the alignment."""
    return aligned(_table_start(shape) + _CHECKSUM.itemsize * len(shape.ranges) * len(shape.names))


def file_size(shape: Shape) -> int:
    """Return bytes of a whole entry."""
    return head_size(shape) + shape.nbytes


def encode(key: str, shape: Shape, table: Table) -> bytes:
    """Return the head of an entry."""
    size = head_size(shape)
    body = shape.description.ljust(_table_start(shape) - _PREAMBLE.size) + table.astype(_CHECKSUM).tobytes()
    body = body.ljust(size - _PREAMBLE.size, b"\0")
    digest = xxhash.xxh3_128_digest(key.encode("ascii") + body)
    return _PREAMBLE.pack(_MAGIC, FORMAT, 0, size, digest, key.encode("ascii")) + body


def table_of(head: bytes, key: str, shape: Shape) -> Table:
    """Return the checksums out of a head that is exactly what was written for this key and shape.

    Raises:
        Damaged: it is not.
    """
    if len(head) != head_size(shape):
        what = "its head is cut off"
        raise Damaged(what)
    magic, version = _PREAMBLE.unpack_from(head)[:2]
    if magic == _MAGIC and version != FORMAT:
        what = f"its format has version {version}, not {FORMAT}"
        raise Damaged(what)
    table = np.frombuffer(head, _CHECKSUM, len(shape.ranges) * len(shape.names), _table_start(shape))
    table = table.astype(np.uint64).reshape(len(shape.ranges), len(shape.names))
    if encode(key, shape, table) != head:
        what = "its head was changed after it was written"
        raise Damaged(what)
    return table


def _table_start(shape: Shape) -> int:
    return aligned(_PREAMBLE.size + len(shape.description))
