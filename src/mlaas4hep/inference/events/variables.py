"""Computed variables of one event, on the fast path."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.preprocess import Preprocessing

__all__ = ["Variables"]

SHORT_LISTS = 256


class Variables:
    """Computes variables of single events, with the same expressions on the same types as the slow path.

    Args:
        preprocessing: the bundle's.
        wanted: names of features.
        kinds: of the branches, by name.
        dtypes: numpy names of the branches' types in training.
    """

    def __init__(
        self, preprocessing: Preprocessing, wanted: Sequence[str], kinds: Mapping[str, str], dtypes: Mapping[str, str]
    ) -> None:
        names = set(preprocessing.variables_for(wanted))
        self._variables = [entry for entry in preprocessing.variables if entry.name in names]
        needed = dict.fromkeys(name for entry in self._variables for name in entry.expression.names)
        self._inputs = [
            (name, kinds[name], np.dtype(dtypes.get(name, "float32"))) for name in needed if name not in names
        ]
        self._features = [entry for entry in self._variables if entry.name in set(wanted)]
        self._offsets = [np.array([0, length], dtype=np.int64) for length in range(SHORT_LISTS)]

    def extend(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the event with its variables among the features.

        Raises:
            SLOW (see `packing`): a value is missing or unusual.
            ExpressionError: lists of different lengths are combined.
        """
        columns: dict[str, Column] = {}
        for name, kind, dtype in self._inputs:
            value = event[name]
            if kind == "jagged":
                if type(value) is not list:
                    raise TypeError
                length = len(value)
                offsets = self._offsets[length] if length < SHORT_LISTS else np.array([0, length], dtype=np.int64)
                columns[name] = Jagged(offsets, _values(value, dtype))
            else:
                columns[name] = _values([value], dtype)
        for entry in self._variables:
            columns[entry.name] = entry.expression.evaluate(columns, 1)
        extended = dict(event)
        for entry in self._features:
            column = columns[entry.name]
            extended[entry.name] = column.values.tolist() if isinstance(column, Jagged) else column.item()
        return extended


def _values(values: list[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values in their type of training; raise if one is of another type."""
    if dtype.kind == "f":
        if dtype.itemsize > 4:
            return np.frombuffer(array("d", values), dtype=np.float64)
        return np.frombuffer(struct.pack(f"={len(values)}f", *values), dtype=np.float32)
    if dtype.kind == "b":
        if not all(type(value) is bool for value in values):
            raise TypeError
        return np.array(values, dtype=np.bool_)
    return np.frombuffer(array("q", values), dtype=np.int64)
