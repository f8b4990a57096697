"""One event to one feature row on the fast path, for bundles without computed variables; the bits of `raw_matrix`."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SLOW", "Packer", "getter"]

SLOW = (KeyError, TypeError, ValueError, OverflowError, struct.error)
"""What the fast path raises on anything unusual: a missing value or key, a wrong type. The slow path then explains."""

EXACT = 2**53


class Packer:
    """Packs values of features as they are.

    Args:
        features: name, kind and length of each branch, in the order of the columns.
        dtypes: numpy names of the branches' types in training.
    """

    def __init__(self, features: Sequence[tuple[str, str, int]], dtypes: Mapping[str, str]) -> None:
        self._get = getter([name for name, _, _ in features])
        self._plan: list[tuple[int, int, int, list[list[float]]]] = []
        for index, (_, kind, length) in enumerate(features):
            if kind == "jagged":
                self._plan.append((index, index, length, [[math.nan] * (length - n) for n in range(length)]))
            elif self._plan and not self._plan[-1][2]:
                self._plan[-1] = (self._plan[-1][0], index + 1, 0, [])
            else:
                self._plan.append((index, index + 1, 0, []))
        self._wide = [index for index, (name, _, _) in enumerate(features) if dtypes.get(name) in {"int64", "uint64"}]
        self._width = sum(length for _, _, length in features)
        self._pack = struct.Struct(f"={self._width}f").pack

    def row(self, event: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return one event as a row, float32 [1, D]; read-only.

        Raises:
            SLOW: anything but numbers and lists of numbers, each present.
        """
        return np.frombuffer(self._pack(*self._values(self._get(event))), dtype=np.float32).reshape(1, -1)

    def _values(self, values: tuple[Any, ...]) -> list[Any]:
        for index in self._wide:
            _exact(values[index])
        row: list[Any] = []
        for first, last, length, padding in self._plan:
            if not length:
                row += values[first:last]
                continue
            entries = values[first]
            if type(entries) is not list:
                raise TypeError
            count = len(entries)
            if count < length:
                row += entries
                row += padding[count]
            elif count == length:
                row += entries
            else:
                struct.pack(f"={count - length}f", *entries[length:])
                row += entries[:length]
        return row


def getter(names: Iterable[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function that takes these keys out of a mapping, as a tuple."""
    wanted = list(names)
    if len(wanted) > 1:
        return itemgetter(*wanted)
    return lambda event: tuple(event[name] for name in wanted)


def _exact(value: Any) -> None:
    """Raise OverflowError for integers above 2^53: the slow path rounds them once, the fast path twice."""
    for entry in value if type(value) is list else (value,):
        if type(entry) is int and not -EXACT <= entry <= EXACT:
            raise OverflowError
