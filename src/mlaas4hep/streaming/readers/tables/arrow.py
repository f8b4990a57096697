"""From Arrow columns to ours: numbers, lists of numbers, and text for labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import FileReadError, UnsupportedBranchError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.base import Branch

__all__ = ["branch_of", "from_arrow", "labels_of"]


def branch_of(name: str, kind: Any, *, nullable: bool) -> Branch:
    """Return a branch for an Arrow type; integers and booleans of which some are missing are read as float64."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(kind):
        inner = _number(kind.value_type, nullable=nullable)
        return (
            Branch(name, "jagged", inner, None if nullable else kind.list_size) if inner else _unsupported(name, kind)
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _number(kind.value_type, nullable=nullable)
        return Branch(name, "jagged", inner) if inner else _unsupported(name, kind)
    number = _number(kind, nullable=nullable)
    return Branch(name, "flat", number) if number else _unsupported(name, kind)


def from_arrow(array: Any, branch: Branch) -> Column:
    """Return the column of a supported branch; missing numbers become NaN, a missing list an empty one.

    Args:
        array: a pyarrow ``Array`` or ``ChunkedArray``.
        branch: what `branch_of` made of its type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], type=array.type)
    if branch.kind == "flat":
        return _values(array, branch.dtype)
    counts = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    items = array.flatten()
    if items.null_count and not branch.dtype.startswith("float"):
        raise FileReadError(
            f"column {branch.name} has missing values within lists of {branch.dtype}",
            hint="write it as lists of floats",
        )
    return Jagged.from_counts(counts.astype(np.int64), _values(items, branch.dtype))


def labels_of(array: Any, name: str, place: str, start: int) -> NDArray[Any]:
    """Numbers or text, one an entry; ``start`` is the number of the first entry.

    Raises:
        FileReadError: a label is missing.
        UnsupportedBranchError: neither numbers nor text.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if array.null_count:
        first = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
        raise FileReadError(f"the label in column {name} is missing in entry {start + first}", where=place)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return np.array(array.to_pylist(), dtype=np.str_)
    number = _number(array.type, nullable=False)
    if number is None:
        raise UnsupportedBranchError(f"column {name} holds {array.type}, which cannot be a label", where=place)
    return np.asarray(array.to_numpy(zero_copy_only=False) if isinstance(array, pa.Array) else array.to_numpy())


def _number(kind: Any, *, nullable: bool) -> str | None:
    """Numpy name of a type of numbers; None for anything else."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _number(kind.value_type, nullable=nullable)
    if pa.types.is_decimal(kind):
        return "float64"
    if pa.types.is_floating(kind):
        return str(np.dtype(kind.to_pandas_dtype()).name)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "float64" if nullable else str(np.dtype(kind.to_pandas_dtype()).name)
    return "float64" if pa.types.is_null(kind) else None


def _unsupported(name: str, kind: Any) -> Branch:
    return Branch(name, "unsupported", str(kind))


def _values(array: Any, dtype: str) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_decimal(array.type) or pa.types.is_null(array.type):
        array = array.cast(pa.float64())
    if array.null_count:
        if not pa.types.is_floating(array.type):
            array = (array.cast(pa.uint8()) if pa.types.is_boolean(array.type) else array).cast(
                pa.float64(), safe=False
            )
        array = pc.fill_null(array, pa.scalar(np.nan, type=array.type))
    return np.asarray(array.to_numpy(zero_copy_only=False)).astype(dtype, copy=False)
