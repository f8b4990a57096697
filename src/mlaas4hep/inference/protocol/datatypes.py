"""Datatypes of the Open Inference Protocol v2 and the arrays they stand for.

Source of the names: the protocol's table of tensor data types; of the ``TYPE_...`` names: Triton's model configuration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import BadRequestError

__all__ = ["DTYPES", "Array", "DType", "check_shape", "datatype_of", "datatype_of_spec", "dtype_of", "shaped"]

Array: TypeAlias = NDArray[Any]
DType: TypeAlias = np.dtype[Any]

DTYPES: dict[str, DType] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
"""The dtype of each datatype, little-endian as on the wire; BYTES are arrays of str."""

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_TEXT = "SUO"
_LARGEST = 2**63 - 1


def dtype_of(tensor: str, datatype: object) -> DType:
    """Return the dtype of a datatype.

    Raises:
        BadRequestError: no such datatype, or one that numpy does not have; names the tensor.
    """
    dtype = DTYPES.get(datatype) if isinstance(datatype, str) else None
    if dtype is not None:
        return dtype
    if datatype == "BF16":
        raise BadRequestError("datatype BF16 is not supported", where=f"tensor {tensor!r}", hint="send FP32")
    raise BadRequestError(
        f"there is no datatype {datatype!r}", where=f"tensor {tensor!r}", hint=f"there are {', '.join(DTYPES)}"
    )


def datatype_of(array: Array) -> str:
    """Return the datatype that says what an array holds.

    Raises:
        BadRequestError: there is none, e.g. for complex numbers.
    """
    return _NAMES.get(array.dtype) or _datatype(array.dtype)


def datatype_of_spec(dtype: str) -> str:
    """Return the datatype of a dtype given by its numpy name; BYTES for strings.

    Raises:
        BadRequestError: there is none.
    """
    try:
        return _datatype(np.dtype(dtype))
    except TypeError as error:
        raise BadRequestError(f"the protocol has no datatype for {dtype}") from error


def check_shape(tensor: str, shape: object) -> int:
    """Return the number of values of a shape.

    Raises:
        BadRequestError: not a list of sizes from 0 on; names the tensor.
    """
    if type(shape) is not list and type(shape) is not tuple:
        raise BadRequestError("the shape must be a list of integers", where=f"tensor {tensor!r}")
    for size in shape:
        if type(size) is not int or not 0 <= size <= _LARGEST:
            raise BadRequestError(
                f"{size!r} in the shape is not a size", where=f"tensor {tensor!r}", hint="sizes are integers from 0 on"
            )
    return math.prod(shape)


def shaped(tensor: str, array: Array, shape: Sequence[int]) -> Array:
    """Return an array of as many values as the shape has, in that shape.

    Raises:
        BadRequestError: numpy has no such shape (too many axes, or too large ones beside one of 0); names the tensor.
    """
    if array.shape == tuple(shape):
        return array
    try:
        return array.reshape(shape)
    except ValueError as error:
        raise BadRequestError(f"the shape {list(shape)} is not possible", where=f"tensor {tensor!r}") from error


def _datatype(dtype: DType) -> str:
    if dtype.kind in _TEXT:
        return "BYTES"
    name = _NAMES.get(dtype.newbyteorder("<"))
    if name is None:
        raise BadRequestError(f"the protocol has no datatype for {dtype}")
    return name
