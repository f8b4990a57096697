"""Strict conversion of JSON values and arrays to numbers: an error says where something is not a number."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.features.columns import Column, Jagged

__all__ = ["flat_column", "jagged_column", "listed", "numbers", "shown", "typed"]

Locate = Callable[[int], str]
NAMED = 20
NUMBERS = (int, float, np.number, np.bool_)


def flat_column(name: str, dtype: str, values: Any) -> NDArray[Any]:
    """Return a column of one value an event.

    Args:
        name: the branch, for messages.
        dtype: numpy name of its type in training.
        values: numbers, booleans and None (missing), or an array [N] or [N, 1].

    Returns:
        [N]; NaN where missing.

    Raises:
        BadRequestError: something is not a number or not within float32; says which and in which event.
    """
    if isinstance(values, np.ndarray) and values.dtype != np.object_:
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1:
            what = f"an array of the shape {list(values.shape)} where one value an event is expected"
            raise BadRequestError(what, where=name)
        return _checked(name, values, lambda index: f"event {index}, {name}")
    return numbers(name, dtype, _sequence(name, values), lambda index: f"event {index}, {name}")


def jagged_column(name: str, dtype: str, values: Any) -> Jagged:
    """Return a column of one list an event.

    Args:
        name: the branch, for messages.
        dtype: numpy name of its type in training.
        values: lists (None: an empty one), a `Jagged`, or an array [N, length] padded with NaN at the ends of its rows.

    Raises:
        BadRequestError: as `flat_column`, or a value where a list is expected.
    """
    if isinstance(values, Jagged):
        return Jagged(values.offsets, _checked(name, values.content, lambda index: f"{name}, value {index}"))
    if isinstance(values, np.ndarray) and values.dtype != np.object_:
        return _unpadded(name, values)
    lists = _sequence(name, values)
    if not all(type(entry) is list for entry in lists):
        lists = [_list(entry, f"event {index}, {name}") for index, entry in enumerate(lists)]
    offsets = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, lists), dtype=np.int64, count=len(lists)), out=offsets[1:])

    def locate(index: int) -> str:
        event = bisect_right(offsets.tolist(), index) - 1
        return f"event {event}, {name}[{index - int(offsets[event])}]"

    return Jagged(offsets, numbers(name, dtype, list(chain.from_iterable(lists)), locate))


def numbers(name: str, dtype: str, values: Sequence[Any], locate: Locate) -> NDArray[Any]:
    """Return values in float64 [N], or as they are for 64-bit integers.

    Args:
        name: the branch, for messages.
        dtype: numpy name of its type in training.
        values: numbers, booleans and None (missing).
        locate: where the value with an index stands.

    Raises:
        BadRequestError: something is not a number or not within float32.
    """
    if dtype in {"int64", "uint64"}:
        try:
            exact = np.array(values)
        except (ValueError, OverflowError):
            exact = np.empty(0, dtype=np.object_)
        if exact.dtype.kind in "iu":
            return exact
    found: NDArray[np.float64]
    try:
        found = np.frombuffer(array("d", values), dtype=np.float64)
    except (TypeError, OverflowError):
        found = np.fromiter((_number(v, i, locate) for i, v in enumerate(values)), np.float64, count=len(values))
    return _checked(name, found, locate)


def typed(column: Column, dtype: str) -> Column:
    """Return the column in its type of training if its values allow that, so that expressions give the same numbers."""
    if isinstance(column, Jagged):
        return Jagged(column.offsets, _cast(column.content, np.dtype(dtype)))
    return _cast(column, np.dtype(dtype))


def shown(value: object) -> str:
    """Return a value as a message shows it, short; null, true and false as in JSON."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = (
        ascii(value) if isinstance(value, str | int | float) else f"a {_WORDS.get(type(value), type(value).__name__)}"
    )
    return text if len(text) <= 40 else f"{text[:37]}..."


def listed(names: Iterable[Any]) -> str:
    """Return names as a message shows them, at most twenty, and how many more there are."""
    every = list(names)
    text = ", ".join(name if isinstance(name, str) and len(name) < 80 else shown(name) for name in every[:NAMED])
    return f"{text} (and {len(every) - NAMED} more)" if len(every) > NAMED else text


_WORDS: dict[type, str] = {dict: "JSON object", list: "list", tuple: "list"}


def _sequence(name: str, values: Any) -> list[Any]:
    if type(values) is list:
        return values
    if isinstance(values, np.ndarray) and values.ndim:
        return list(values.tolist())
    if isinstance(values, tuple):
        return list(values)
    raise BadRequestError(f"{shown(values)} where a list with one entry an event is expected", where=name)


def _list(entry: Any, where: str) -> list[Any]:
    if entry is None:
        return []
    if isinstance(entry, list | tuple):
        return list(entry)
    if isinstance(entry, np.ndarray) and entry.ndim == 1:
        return list(entry.tolist())
    raise BadRequestError(f"{shown(entry)} where a list is expected", where=where)


def _number(value: Any, index: int, locate: Locate) -> float:
    if value is None:
        return np.nan
    if not isinstance(value, NUMBERS):
        expected = "a number" if isinstance(value, str) else "one number"
        raise BadRequestError(f"{shown(value)} where {expected} is expected", where=locate(index))
    try:
        return float(value)
    except (OverflowError, TypeError):
        raise BadRequestError(f"{shown(value)} is not within float32", where=locate(index)) from None


def _checked(name: str, values: NDArray[Any], locate: Locate) -> NDArray[Any]:
    """Return the values; raise BadRequestError if a finite one becomes infinite in float32."""
    if values.dtype.kind not in "biuf":
        raise BadRequestError(f"values of the type {values.dtype} where numbers are expected", where=name)
    if values.dtype.itemsize > 4 and values.dtype.kind == "f" and len(values):
        with np.errstate(over="ignore", invalid="ignore"):
            infinite = np.isinf(values.astype(np.float32))
        if infinite.any():
            beyond = np.flatnonzero(infinite & np.isfinite(values))
            if len(beyond):
                first = int(beyond[0])
                raise BadRequestError(f"{shown(float(values[first]))} is not within float32", where=locate(first))
    return values


def _unpadded(name: str, values: NDArray[Any]) -> Jagged:
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        what = f"an array of the shape {list(values.shape)} where [events, length] is expected"
        raise BadRequestError(what, where=name)
    events, length = values.shape
    flat = _checked(name, values.reshape(-1), lambda index: f"event {index // length}, {name}[{index % length}]")
    if values.dtype.kind != "f" or not length:
        return Jagged.from_regular(values)
    real = ~np.isnan(values)
    counts = np.where(real.any(axis=1), length - np.argmax(real[:, ::-1], axis=1), 0)
    keep = np.arange(length) < counts[:, None]
    return Jagged.from_counts(counts.astype(np.int64), flat.reshape(events, length)[keep])


def _cast(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(np.float32) if dtype.itemsize <= 4 else values
    if values.dtype.kind != "f" or not np.isfinite(values).all() or (values != np.floor(values)).any():
        return values
    if dtype.kind == "b":
        return values.astype(np.bool_) if np.isin(values, (0.0, 1.0)).all() else values
    return values.astype(np.int64) if (np.abs(values) < 2.0**63).all() else values
