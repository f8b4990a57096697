"""Which protobuf message is this? Told from its outermost fields, without any library that would build it."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

__all__ = ["Bytes", "protobuf_kind"]

Bytes: TypeAlias = bytes | mmap.mmap

VARINT: Final = 0
BYTES: Final = 2
FIXED: Final = {1: 8, 5: 4}
MOST: Final = 100_000


def protobuf_kind(data: Bytes) -> Literal["onnx", "savedmodel", "graphdef"] | None:
    """Return ``onnx`` (ModelProto), ``savedmodel`` (of TensorFlow), ``graphdef`` (a frozen graph) or None."""
    fields: dict[tuple[int, int], tuple[int, int]] = {}
    try:
        for number, kind, start, end in _fields(data, 0, len(data)):
            fields.setdefault((number, kind), (start, end))
    except ValueError:
        return None
    if (7, BYTES) in fields and (1, VARINT) in fields:
        return "onnx"
    if (1, VARINT) in fields and (2, BYTES) in fields and len(fields) == 2:
        return "savedmodel"
    if (1, BYTES) in fields and set(fields) <= {(1, BYTES), (2, BYTES), (3, VARINT), (4, BYTES), (5, BYTES)}:
        return "graphdef" if _is_node(data, *fields[1, BYTES]) else None
    return None


def _is_node(data: Bytes, start: int, end: int) -> bool:
    """True if this is a node of a graph: a name and an operation in words."""
    texts: dict[int, bytes] = {}
    try:
        for number, kind, first, last in _fields(data, start, end):
            if kind == BYTES and number in {1, 2}:
                texts.setdefault(number, data[first:last])
    except ValueError:
        return False
    return len(texts) == 2 and all(text.isascii() and text.decode().isprintable() for text in texts.values())


def _fields(data: Bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, first and last byte of the fields of a message."""
    count = 0
    while start < end:
        count += 1
        key, start = _varint(data, start, end)
        number, kind = key >> 3, key & 7
        first = start
        if kind == VARINT:
            _, start = _varint(data, start, end)
        elif kind == BYTES:
            length, first = _varint(data, start, end)
            start = first + length
        elif kind in FIXED:
            start += FIXED[kind]
        else:
            start = end + 1
        if start > end or number == 0 or count > MOST:
            msg = "this is not a protobuf message"
            raise ValueError(msg)
        yield number, kind, first, start


def _varint(data: Bytes, start: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if start >= end:
            break
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
    msg = "this is not a protobuf message"
    raise ValueError(msg)
