"""One basket of a TTree as it lies in the file: its key, and its blocks of compressed bytes.

A basket is a key, the last part of which belongs to the basket (entries, where the data end), and the data: blocks
of at most 16 MiB, each behind 9 bytes that name the compression and the two sizes. Data that would not become smaller
are stored as they are.
"""

from __future__ import annotations

import functools
import importlib
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import cramjam
import numpy as np
import xxhash
from numpy.typing import NDArray

__all__ = ["BasketError", "Key", "decompress", "key_of"]

_KEY = struct.Struct(">ihiIh")
_BASKET = struct.Struct(">Hiiii")
_BLOCK = 9
_CHECKSUM = 8
_BASKET_PART = _BASKET.size + 1

_Bytes = memoryview
_Codec = Callable[[_Bytes, NDArray[np.uint8]], None]


class BasketError(Exception):
    """A basket is not what the tree says; only seen within this package."""


class Key(NamedTuple):
    """What the key of a basket says.

    Attributes:
        length: bytes of the key.
        size: bytes of the decompressed data.
        border: where the data end and the table of offsets begins, if there is one; else the same as size.
    """

    length: int
    size: int
    border: int


def key_of(data: _Bytes, entries: int) -> Key:
    """Return the key of a basket.

    Args:
        data: the whole basket.
        entries: how many entries the tree says it has.

    Raises:
        BasketError: the key contradicts itself or the tree.
    """
    total, _, size, _, length = _KEY.unpack_from(data, 0)
    if total != len(data) or not _KEY.size + _BASKET_PART <= length < total or size <= 0:
        msg = "the key has wrong sizes"
        raise BasketError(msg)
    _, _, _, found, last = _BASKET.unpack_from(data, length - _BASKET_PART)
    if found != entries or not 0 <= last - length <= size:
        msg = "the key has a wrong number of entries or a wrong end of data"
        raise BasketError(msg)
    return Key(length, size, last - length)


def decompress(data: _Bytes, out: NDArray[np.uint8]) -> None:
    """Decompress all blocks of a basket; no lock is held while it is done.

    Args:
        data: the basket without its key.
        out: as many bytes as the key says.

    Raises:
        BasketError: blocks of other sizes, or a compression that is not known.
        Exception: of the library that decompresses.
    """
    if len(data) == len(out):
        out[:] = np.frombuffer(data, dtype=np.uint8)
        return
    at = filled = 0
    end, size = len(data), len(out)
    while at < end:
        header = bytes(data[at : at + _BLOCK])
        if len(header) < _BLOCK:
            msg = "a block is cut off"
            raise BasketError(msg)
        packed = int.from_bytes(header[3:6], "little")
        whole = int.from_bytes(header[6:9], "little")
        codec = _CODECS.get(header[:2])
        at += _BLOCK
        if codec is None or at + packed > end or filled + whole > size:
            msg = "a block has an unknown compression or wrong sizes"
            raise BasketError(msg)
        codec(data[at : at + packed], out[filled : filled + whole])
        at += packed
        filled += whole
    if filled != size:
        msg = f"{filled} of {size} bytes are there"
        raise BasketError(msg)


def _zstd(data: _Bytes, out: NDArray[np.uint8]) -> None:
    _check(cramjam.zstd.decompress_into(data, out.data), out)


def _lz4(data: _Bytes, out: NDArray[np.uint8]) -> None:
    expected = int.from_bytes(data[:_CHECKSUM], "big")
    data = data[_CHECKSUM:]
    if xxhash.xxh64_intdigest(data) != expected:
        msg = "the checksum is wrong"
        raise BasketError(msg)
    _check(cramjam.lz4.decompress_block_into(data, out.data), out)


def _lzma(data: _Bytes, out: NDArray[np.uint8]) -> None:
    _copy(lzma.decompress(data), out)


def _zlib(data: _Bytes, out: NDArray[np.uint8]) -> None:
    _copy(_inflate()(data, len(out)), out)


@functools.cache
def _inflate() -> Callable[[_Bytes, int], Any]:
    """What decompresses ZLIB: libdeflate, if the package ``deflate`` is there, needs little more than half the time.

    All verify the checksum.
    """
    try:
        inflate: Callable[[_Bytes, int], Any] = importlib.import_module("deflate").zlib_decompress
    except (ImportError, AttributeError):
        return lambda data, size: zlib.decompress(data, bufsize=size)
    return inflate


def _copy(data: Any, out: NDArray[np.uint8]) -> None:
    _check(len(data), out)
    out[:] = np.frombuffer(data, dtype=np.uint8)


def _check(size: int, out: NDArray[np.uint8]) -> None:
    if size != len(out):
        msg = f"a block has {size} bytes and not {len(out)}"
        raise BasketError(msg)


_CODECS: dict[bytes, _Codec] = {b"ZL": _zlib, b"ZS": _zstd, b"L4": _lz4, b"XZ": _lzma}
