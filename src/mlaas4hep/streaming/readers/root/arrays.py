"""From awkward layouts to columns: zero copy where the memory already is what we need."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Column, Jagged

__all__ = ["from_awkward", "is_number", "native"]


def is_number(dtype: np.dtype[Any]) -> bool:
    """Return true for integers, floats and booleans."""
    return dtype.kind in "biuf"


def native(values: NDArray[Any]) -> NDArray[Any]:
    """Return the same numbers in the byte order of this machine."""
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def from_awkward(array: Any) -> Column:
    """Return a column from an awkward array of numbers, of lists of numbers, or of fixed-size arrays of numbers.

    Missing numbers become NaN (integers become float64), a missing list an empty one.

    Raises:
        TypeError: the array is anything else.
    """
    import awkward as ak

    layout = ak.to_layout(array)
    if layout.parameter("__array__") is not None:
        msg = f"cannot make a column from {layout.form.type}"
        raise TypeError(msg)
    if not layout.is_numpy and not (layout.is_list and not layout.is_regular and layout.content.is_numpy):
        layout = _plain(ak.Array(layout))
    if layout.is_numpy:
        values = native(np.asarray(layout.data))
        return values if values.ndim == 1 else Jagged.from_regular(values)
    if layout.is_list and layout.content.is_numpy:
        lists = layout.to_ListOffsetArray64(True)
        content = native(np.asarray(lists.content.data))
        if content.ndim == 1:
            return Jagged(np.asarray(lists.offsets.data, dtype=np.int64), content)
    msg = f"cannot make a column from {layout.form.type}"
    raise TypeError(msg)


def _plain(array: Any) -> Any:
    import awkward as ak

    if array.layout.is_option and array.ndim > 1:
        array = ak.fill_none(array, [], axis=0)
    if array.layout.minmax_depth != (1, 1) and _is_fixed(array.layout):
        counts = int(np.prod(_shape(array.layout), dtype=np.int64))
        return ak.to_layout(ak.unflatten(ak.flatten(_filled(array), axis=None), np.full(len(array), counts)))
    return ak.to_layout(ak.to_packed(_filled(array)))


def _filled(array: Any) -> Any:
    import awkward as ak

    return ak.fill_none(array, np.nan, axis=-1)


def _is_fixed(layout: Any) -> bool:
    while layout.is_regular and layout.is_list:
        layout = layout.content
    return bool(layout.is_numpy)


def _shape(layout: Any) -> list[int]:
    sizes = []
    while layout.is_list:
        sizes.append(layout.size)
        layout = layout.content
    return sizes
