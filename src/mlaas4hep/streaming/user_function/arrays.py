"""Columns as an awkward array of events, and back: branches with kind and type, and which events are left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import PreprocessingError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.base import Branch

__all__ = ["ENTRY", "column_of", "events_of", "left_of"]

ENTRY = "__entry__"
"""Field with the number of each event among those given, by which a selection is recognised."""

Text = list[str | None]


def events_of(columns: Mapping[str, Column | Text], branches: Mapping[str, Branch], size: int) -> ak.Array:
    """Return the events as an array of records, with the field `ENTRY`; what is in memory can be read only."""
    fields = [_layout(column, branches[name].width, size) for name, column in columns.items()]
    fields.append(ak.contents.NumpyArray(np.arange(size, dtype=np.int64)))
    return ak.Array(ak.contents.RecordArray(fields, [*columns, ENTRY], length=size))


def left_of(found: object, size: int, place: str) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Return the fields of what the user's function returned, and which of the events they are, int64 ascending.

    Args:
        found: what it returned.
        size: number of events that it was given.
        place: for messages.

    Raises:
        PreprocessingError: it is no array of events, or it cannot be told which of the events are left.
    """
    if not isinstance(found, ak.Array) or not found.fields or found.ndim != 1:
        what = "nothing" if found is None else f"a {type(found).__name__}"
        if isinstance(found, ak.Array):
            what = f"an array of the type {found.type}"
        hint = "return an awkward array with one record an event: the one it is given, changed"
        raise PreprocessingError(f"preprocessing returned {what[:120]}", where=place, hint=hint)
    if ak.to_layout(found).is_option and ak.any(ak.is_none(found)):
        what = "preprocessing returned an array with missing events"
        raise PreprocessingError(what, where=place, hint="select with events[mask], not with events.mask[...]")
    fields = {name: found[name] for name in found.fields if name != ENTRY}
    if ENTRY in found.fields:
        kept = np.asarray(ak.to_numpy(found[ENTRY], allow_missing=False)).astype(np.int64)
        if len(kept) and (np.diff(kept) <= 0).any():
            what = "preprocessing returned events twice or in another order"
            raise PreprocessingError(what, where=place, hint="select with a mask: events[mask]")
        return fields, kept
    if len(found) != size:
        what = f"preprocessing returned {len(found)} of {size} events in a new array, so it cannot be told which"
        raise PreprocessingError(what, where=place, hint="select with a mask, events[mask], from the array it is given")
    return fields, np.arange(size, dtype=np.int64)


def column_of(name: str, array: Any) -> tuple[Branch, Column | Text]:
    """Return a field as a branch, whose kind and type follow from the type of the field alone, and its values.

    Missing numbers become NaN, and integers that may be missing float64; a missing list is an empty one.
    """
    if not isinstance(array, ak.Array):  # awkward makes one text of single characters
        return Branch(name, "unsupported", "characters"), []
    layout = ak.to_layout(array)
    kind = str(layout.form.type)
    if layout.parameter("__array__") in ("string", "bytestring") or kind.removeprefix("?") == "string":
        return Branch(name, "unsupported", "string"), ak.to_list(array)
    if array.fields or "union" in kind or array.ndim > 2 or "string" in kind:
        return Branch(name, "unsupported", _word(array)), []
    optional = "?" in kind or "option" in kind
    if array.ndim == 1:
        content = _numbers(array, kind, optional=optional)
        return _branch(name, "flat", content, kind), content if content is not None else []
    width = layout.size if layout.is_regular else None
    if layout.is_option:
        array = ak.fill_none(array, [], axis=0)
    counts = ak.to_numpy(ak.num(array, axis=1)).astype(np.int64)
    content = _numbers(ak.flatten(array, axis=1), kind, optional=optional)
    branch = _branch(name, "jagged", content, kind, width)
    return branch, Jagged.from_counts(counts, content) if content is not None else []


def _layout(column: Column | Text, width: int | None, size: int) -> Any:
    if isinstance(column, list):
        return ak.to_layout(ak.Array(column)) if size else ak.contents.EmptyArray()
    if not isinstance(column, Jagged):
        return ak.contents.NumpyArray(_read_only(column))
    packed = column.packed()
    content = ak.contents.NumpyArray(_read_only(packed.content))
    if width is not None:
        return ak.contents.RegularArray(content, width, zeros_length=size)
    return ak.contents.ListOffsetArray(ak.index.Index64(packed.offsets), content)


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    """Return a view; a reader may keep what it gave, and give it again."""
    view = values.view()
    view.flags.writeable = False
    return view


def _numbers(array: Any, stored: str, *, optional: bool) -> NDArray[Any] | None:
    """Return numbers [n]; None if the values are something else. ``stored`` is the type of the field in words."""
    if isinstance(ak.to_layout(array), ak.contents.EmptyArray):
        return np.empty(0)
    try:
        if optional:
            array = ak.fill_none(array, np.nan)
        values = np.asarray(ak.to_numpy(array, allow_missing=False))
    except (ValueError, TypeError):
        return None
    if values.dtype.kind not in "biuf":
        return None
    if optional:
        return values.astype(np.float32 if "float32" in stored else np.float64)
    return values.astype({2: np.float32, 16: np.float64}[values.dtype.itemsize]) if _odd(values.dtype) else values


def _odd(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" and dtype.itemsize in (2, 16)


def _branch(name: str, kind: Any, content: NDArray[Any] | None, stored: str, width: int | None = None) -> Branch:
    if content is None:
        return Branch(name, "unsupported", stored)
    return Branch(name, kind, content.dtype.name, width)


def _word(array: Any) -> str:
    if array.fields:
        return "objects"
    return "nested lists" if array.ndim > 2 else str(ak.to_layout(array).form.type)
