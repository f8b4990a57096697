"""Messages between a process and its child: a JSON head and the bytes of arrays. Nothing is pickled.

A message is: number of bytes of the head (8 bytes, little endian), the head, then the arrays of its ``arrays`` one
after the other. An array is described by name, dtype and shape; arrays of strings travel inside the head.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arrays", "MessageError", "receive", "send"]

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

HEAD_LIMIT: Final = 64 * 2**20
LENGTH: Final = struct.Struct("<Q")
KINDS: Final = "biuf"


class MessageError(Exception):
    """The other side sent something other than a message, or too much."""


def send(
    connection: socket.socket,
    head: Mapping[str, Any],
    arrays: Arrays,
    deadline: float | None = None,
) -> None:
    """Send a message.

    Args:
        connection: a stream socket.
        head: JSON values.
        arrays: numbers, booleans, or strings (dtype object or U).
        deadline: of `time.monotonic`.

    Raises:
        TimeoutError: the deadline passed.
        OSError: the other side is gone.
        MessageError: an array is of an unknown type.
    """
    described, blocks = [], []
    for name, array in arrays.items():
        if array.dtype.kind in "OUS":
            texts = [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel()]
            described.append({"name": name, "dtype": "object", "shape": array.shape, "texts": texts})
            continue
        if array.dtype.kind not in KINDS:
            what = f"{name} is of the type {array.dtype}"
            raise MessageError(what)
        described.append({"name": name, "dtype": array.dtype.name, "shape": array.shape})
        if array.size:
            blocks.append(_bytes(np.ascontiguousarray(array)))
    text = json.dumps({**head, "arrays": described}).encode()
    _patience(connection, deadline)
    connection.sendall(LENGTH.pack(len(text)) + text)
    for block in blocks:
        _patience(connection, deadline)
        connection.sendall(block)


def receive(
    connection: socket.socket, limit: int, deadline: float | None = None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Receive a message.

    Args:
        connection: a stream socket.
        limit: bytes of all arrays together.
        deadline: of `time.monotonic`.

    Raises:
        TimeoutError: the deadline passed.
        EOFError: the other side is gone.
        OSError: the same.
        MessageError: that was no message, or too much.
    """
    (length,) = LENGTH.unpack(_exactly(connection, LENGTH.size, deadline))
    if length > HEAD_LIMIT:
        what = f"a head of {length} bytes"
        raise MessageError(what)
    try:
        head = json.loads(bytes(_exactly(connection, length, deadline)))
        described = head.pop("arrays")
        arrays = {}
        for entry in described:
            shape = tuple(int(size) for size in entry["shape"])
            if "texts" in entry:
                array = np.array([str(text) for text in entry["texts"]], dtype=object).reshape(shape)
            else:
                dtype = np.dtype(str(entry["dtype"]))
                limit -= math.prod(shape) * dtype.itemsize
                if dtype.kind not in KINDS or min(shape, default=0) < 0 or limit < 0:
                    what = f"an array {dtype} {shape} is not allowed"
                    raise MessageError(what)
                array = np.empty(shape, dtype)
                if array.size:
                    _fill(connection, _bytes(array), deadline)
            arrays[str(entry["name"])] = array
    except (ValueError, KeyError, TypeError, AttributeError, MemoryError) as error:
        what = f"no message: {error}"
        raise MessageError(what) from error
    return head, arrays


def _bytes(array: NDArray[Any]) -> memoryview:
    """The memory of a contiguous array."""
    return memoryview(array.reshape(-1).view(np.uint8).data)


def _exactly(connection: socket.socket, size: int, deadline: float | None) -> bytearray:
    buffer = bytearray(size)
    _fill(connection, memoryview(buffer), deadline)
    return buffer


def _fill(connection: socket.socket, view: memoryview, deadline: float | None) -> None:
    while view:
        _patience(connection, deadline)
        number = connection.recv_into(view)
        if not number:
            raise EOFError
        view = view[number:]


def _patience(connection: socket.socket, deadline: float | None) -> None:
    """How long the next operation may block."""
    if deadline is None:
        connection.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
