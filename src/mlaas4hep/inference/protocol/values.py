"""Tensors as lists of numbers or strings: JSON data and gRPC's typed contents."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.protocol.datatypes import DTYPES, Array, DType, check_shape, dtype_of, shaped
from mlaas4hep.inference.protocol.raw import texts

__all__ = ["check_finite", "decode", "encode"]

_ACCEPTED = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}
_ALLOWED: dict[str, tuple[type, ...]] = {"f": (int, float, type(None)), "i": (int,), "u": (int,), "b": (bool,)}
_SHOWN = 40
_FP32 = DTYPES["FP32"]
_SHORT = 512
_HARMLESS = 1e76  # no value of a sum of squares below this overflows a float32


def decode(tensor: str, datatype: str, shape: Sequence[int], values: Any) -> Array:
    """Return a tensor from a list, flat in row-major order or nested as the shape.

    Args:
        tensor: its name, for errors.
        datatype: as in the protocol.
        shape: its sizes, all known.
        values: numbers, booleans or strings; null is NaN in a tensor of floating-point numbers.

    Raises:
        BadRequestError: values, shape and datatype do not fit each other; names the tensor.
    """
    dtype = dtype_of(tensor, datatype)
    count = check_shape(tensor, shape)
    if not isinstance(values, list):
        raise BadRequestError("the data must be a list", where=f"tensor {tensor!r}")
    if dtype.kind == "O":
        return texts(tensor, _texts(tensor, values), shape)
    if dtype is _FP32 and count == len(values) <= _SHORT and type(values[0] if values else None) is float:
        try:
            return shaped(tensor, np.frombuffer(_packer(count)(*values), _FP32), shape)
        except (struct.error, OverflowError):
            pass  # the slow path says what is wrong
    try:
        array: Array = np.array(values)
    except (ValueError, OverflowError) as error:
        raise BadRequestError("the lists of the data differ in length", where=f"tensor {tensor!r}") from error
    if array.size != count or (array.ndim != 1 and array.shape != tuple(shape)):
        raise BadRequestError(
            f"the data has the shape {list(array.shape)}, not {list(shape)}",
            where=f"tensor {tensor!r}",
            hint="send it nested as the shape, or flat",
        )
    if array.dtype != dtype:
        array = _cast(tensor, datatype, dtype, array, values)
    return shaped(tensor, array, shape)


def encode(array: Array) -> Any:
    """Return a flat array that orjson writes as numbers (NaN as null; see `check_finite`), or a list of str."""
    if array.dtype.kind not in "OSU":
        return np.ascontiguousarray(array).reshape(-1)
    return [
        value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in array.ravel().tolist()
    ]


def check_finite(tensor: str, array: Array) -> None:
    """Check that JSON can hold an answer: NaN is null in it, but infinity would be too.

    Raises:
        BadRequestError: a value is infinite; names the tensor.
    """
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise BadRequestError(
            "the answer holds infinity, for which JSON has no form",
            where=f"tensor {tensor!r}",
            hint="ask for binary data (binary_data), or with gRPC",
        )


@functools.cache
def _packer(count: int) -> Callable[..., bytes]:
    """Return a function that packs this many numbers as float32, rounded as numpy does."""
    return struct.Struct(f"<{count}f").pack


def _cast(tensor: str, datatype: str, dtype: DType, array: Array, values: list[Any]) -> Array:
    if array.size == 0:
        return array.astype(dtype)
    if array.dtype.kind not in _ACCEPTED[dtype.kind]:
        array = _numbers(tensor, datatype, dtype, values)
    elif dtype is _FP32:
        flat = array.ravel()
        with np.errstate(over="ignore", invalid="ignore"):
            harmless = flat.dot(flat) < _HARMLESS
        if harmless:
            return array.astype(dtype)
    try:
        with np.errstate(over="raise"):
            # From the list itself: numpy then refuses integers out of range instead of wrapping them.
            return array.astype(dtype) if dtype.kind == "f" else np.array(values, dtype)
    except (FloatingPointError, OverflowError) as error:
        raise BadRequestError(f"a value is out of the range of {datatype}", where=f"tensor {tensor!r}") from error


def _numbers(tensor: str, datatype: str, dtype: DType, values: list[Any]) -> Array:
    """Return Python's numbers where numpy has no common type (nulls, large integers); raise if one does not fit."""
    array: Array = np.array(values, object)
    for value in array.flat:
        if type(value) not in _ALLOWED[dtype.kind]:
            shown = "null" if value is None else repr(value)[:_SHOWN]
            raise BadRequestError(f"the data holds {shown}, which is not {datatype}", where=f"tensor {tensor!r}")
    return array


def _texts(tensor: str, values: Iterable[Any]) -> list[str]:
    flat: list[str] = []
    open_lists = [iter(values)]
    while open_lists:
        value = next(open_lists[-1], open_lists)
        if value is open_lists:
            open_lists.pop()
        elif isinstance(value, list):
            open_lists.append(iter(value))
        elif isinstance(value, str):
            flat.append(value)
        else:
            raise BadRequestError("the data must be strings", where=f"tensor {tensor!r}")
    return flat
