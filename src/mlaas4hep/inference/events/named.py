"""Events to the rows of a model that is not a bundle, by the names of its columns if it has any."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.events.keys import check_keys, events_in, paired
from mlaas4hep.inference.events.packing import getter
from mlaas4hep.inference.events.values import flat_column, numbers, shown

__all__ = ["NamedColumns"]

Rows = NDArray[np.float32]


class NamedColumns:
    """Orders the values of events as the columns of a model; the counterpart of `Featuriser`.

    Args:
        names: of the columns in their order, or none.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._get = getter(self._names)

    def keys_values(self, keys: Sequence[str], values: Sequence[Any]) -> Rows:
        """Return one event, given as keys and values, as a row, float32 [1, D].

        The keys are the names in any order; without names, or without keys, the values go by position.

        Raises:
            BadRequestError: keys that are not the names, or a value that is not a number.
        """
        if keys:
            event = paired(keys, values)
            if self._names and self._names != tuple(keys):
                check_keys(event, self._names)
                values = self._get(event)
        try:
            return np.frombuffer(struct.pack(f"={len(values)}f", *values), np.float32).reshape(1, -1)
        except (struct.error, OverflowError, TypeError):
            found = numbers("values", "float64", values, lambda index: f"value {index}")
            return found.astype(np.float32).reshape(1, -1)

    def records(self, events: Sequence[Mapping[str, Any]]) -> Rows:
        """Return events, a mapping each, as rows, float32 [N, D].

        Raises:
            BadRequestError: keys that are not the names, a value that is not a number, or a model without names.
        """
        for index, event in enumerate(events):
            if not isinstance(event, Mapping):
                raise BadRequestError(f"{shown(event)} where an object is expected", where=f"event {index}")
            check_keys(event, self._named(), f"event {index}")
        return self._matrix(zip(*map(self._get, events), strict=True), len(events))

    def columns(self, events: Mapping[str, Any]) -> Rows:
        """Return events, a list or array for each column, as rows, float32 [N, D]; raises as `records`."""
        check_keys(events, self._named())
        return self._matrix(self._get(events), events_in(events, self._names))

    def _named(self) -> tuple[str, ...]:
        if not self._names:
            raise BadRequestError("this model knows no names of branches", hint="give its values by position")
        return self._names

    def _matrix(self, columns: Iterable[Any], events: int) -> Rows:
        rows = np.empty((events, len(self._named())), np.float32)
        for index, (name, values) in enumerate(zip(self._names, columns, strict=events > 0)):
            rows[:, index] = flat_column(name, "float64", values)
        return rows
