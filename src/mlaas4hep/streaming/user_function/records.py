"""The original's form of the user's function: one event after another, as a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import PreprocessingError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.user_function.arrays import Text

__all__ = ["records_left"]


def records_left(
    function: Callable[[dict[str, Any]], Any],
    columns: Mapping[str, Column | Text],
    branches: Mapping[str, Branch],
    size: int,
    place: str,
) -> tuple[dict[str, tuple[Branch, Column | Text]], NDArray[np.int64]]:
    """Call the function on each event; return branches with the values of those that are left, and which those are.

    The function is given numbers, lists of numbers and text; it returns the same, None for a missing value, or None in
    place of the dictionary to remove the event. A branch of integers or booleans of the file stays that
    while only such values come; all other numbers are float64.

    Raises:
        PreprocessingError: it returns something else; names the entry.
    """
    lists = {name: column if isinstance(column, list) else column.tolist() for name, column in columns.items()}
    records: list[dict[str, Any]] = []
    kept: list[int] = []
    for index in range(size):
        found = function({name: values[index] for name, values in lists.items()})
        if found is None:
            continue
        if not isinstance(found, dict):
            what = f"preprocessing returned a {type(found).__name__} for an event"
            raise PreprocessingError(what, where=place, hint="return the dictionary, or None to remove the event")
        records.append(found)
        kept.append(index)
    names = dict.fromkeys(name for record in records for name in record)
    made = {name: _column(name, [record.get(name) for record in records], branches.get(name), place) for name in names}
    if not records:
        made = {name: (branches[name], _nothing(branches[name])) for name in columns}
    return made, np.array(kept, dtype=np.int64)


def _column(name: str, values: list[Any], stored: Branch | None, place: str) -> tuple[Branch, Column | Text]:
    plain = [_plain(value) for value in values]
    if any(isinstance(value, str) for value in plain):
        return Branch(name, "unsupported", "string"), plain
    listed = any(isinstance(value, list) for value in plain)
    flat = [item for value in plain for item in (value or [])] if listed else plain
    try:
        numbers = np.array([np.nan if item is None else float(item) for item in flat], dtype=np.float64)
        counts = np.array([len(value or []) for value in plain], dtype=np.int64) if listed else None
    except (TypeError, ValueError):
        what = f"preprocessing returned {plain[0]!r:.40} for {name}"
        raise PreprocessingError(what, where=place, hint="return numbers, lists of numbers, or None") from None
    kept = np.dtype(stored.dtype) if stored is not None and stored.kind != "unsupported" else np.dtype(np.float64)
    whole = bool(flat) and all(isinstance(item, int) for item in flat)
    if kept.kind in "biu" and whole:
        exact = np.array(flat)
        numbers = exact.astype(kept) if np.array_equal(exact.astype(kept), exact) else numbers
    elif kept.kind == "f":
        numbers = numbers.astype(kept)
    if counts is None:
        return Branch(name, "flat", numbers.dtype.name), numbers
    return Branch(name, "jagged", numbers.dtype.name), Jagged.from_counts(counts, numbers)


def _plain(value: Any) -> Any:
    """Return numpy's numbers and arrays as Python's own."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _nothing(branch: Branch) -> Column | Text:
    if branch.kind == "unsupported":
        return []
    dtype = np.dtype(branch.dtype)
    return Jagged.from_lists([], dtype) if branch.kind == "jagged" else np.empty(0, dtype)
