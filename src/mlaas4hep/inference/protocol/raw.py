"""Tensors as bytes: row-major, little-endian; BYTES as a 4-byte length before each element."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy as np

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.protocol.datatypes import DTYPES, Array, check_shape, datatype_of, dtype_of, shaped
from mlaas4hep.web.bodies import Buffer

__all__ = ["decode", "encode", "strings", "texts"]

_LENGTH = struct.Struct("<I")


def decode(
    tensor: str, datatype: str, shape: Sequence[int], buffer: Buffer, offset: int = 0, size: int | None = None
) -> Array:
    """Return a tensor from raw bytes, without a copy where its place in memory allows.

    Args:
        tensor: its name, for errors.
        datatype: as in the protocol.
        shape: its sizes, all known.
        buffer: the bytes of one or more tensors.
        offset: where in the buffer the tensor begins.
        size: number of bytes of the tensor; None: up to the end.

    Returns:
        Array of the shape, read-only if it lies in a read-only buffer; BYTES become str.

    Raises:
        BadRequestError: bytes, shape and datatype do not fit each other; names the tensor.
    """
    dtype = dtype_of(tensor, datatype)
    count = check_shape(tensor, shape)
    there = len(buffer) - offset
    size = there if size is None else size
    if size > there:
        raise BadRequestError(f"{size} bytes are announced, but {there} are left", where=f"tensor {tensor!r}")
    if dtype.kind == "O":
        return texts(tensor, _split(tensor, memoryview(buffer)[offset : offset + size]), shape)
    if size != count * dtype.itemsize:
        raise BadRequestError(
            f"{datatype} of shape {list(shape)} takes {count * dtype.itemsize} bytes, but there are {size}",
            where=f"tensor {tensor!r}",
        )
    if count == 0:
        return shaped(tensor, np.empty(0, dtype), shape)
    if dtype.kind == "b":
        return shaped(tensor, np.frombuffer(buffer, np.uint8, count, offset) != 0, shape)
    array: Array = np.frombuffer(buffer, dtype, count, offset)
    if not array.flags.aligned:
        array = array.copy()
    return shaped(tensor, array, shape)


def encode(array: Array) -> bytes:
    """Return the raw bytes of a tensor."""
    datatype = datatype_of(array)
    if datatype != "BYTES":
        return array.astype(DTYPES[datatype], copy=False).tobytes()
    parts: list[bytes] = []
    for value in array.ravel().tolist():
        data = value if isinstance(value, bytes) else str(value).encode()
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)


def strings(tensor: str, elements: Iterable[bytes]) -> list[str]:
    """Return BYTES elements as str.

    Raises:
        BadRequestError: one is not UTF-8; names the tensor.
    """
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError as error:
        raise BadRequestError("the elements must be UTF-8", where=f"tensor {tensor!r}") from error


def texts(tensor: str, values: Sequence[str], shape: Sequence[int]) -> Array:
    """Return strings as an array of a shape.

    Raises:
        BadRequestError: not as many as the shape has; names the tensor.
    """
    count = check_shape(tensor, shape)
    if len(values) != count:
        raise BadRequestError(
            f"BYTES of shape {list(shape)} has {count} elements, but there are {len(values)}",
            where=f"tensor {tensor!r}",
        )
    array = np.empty(count, object)
    array[:] = values
    return shaped(tensor, array, shape)


def _split(tensor: str, data: memoryview) -> list[str]:
    elements: list[bytes] = []
    place = 0
    while place < len(data):
        end = place + 4
        if end <= len(data):
            end += _LENGTH.unpack_from(data, place)[0]
        if end > len(data):
            raise BadRequestError("the last element is cut short", where=f"tensor {tensor!r}")
        elements.append(bytes(data[place + 4 : end]))
        place = end
    return strings(tensor, elements)
