"""Events to the feature rows of a bundle's model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle import Bundle
from mlaas4hep.errors import ExpressionError
from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.features.columns import Column
from mlaas4hep.features.expression import LengthMismatchError
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.matrix import raw_matrix
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.inference.events.keys import check_keys, events_in, paired
from mlaas4hep.inference.events.packing import SLOW, Packer, getter
from mlaas4hep.inference.events.values import flat_column, jagged_column, shown, typed
from mlaas4hep.inference.events.variables import Variables

__all__ = ["Featuriser"]

FEW = 16
UNUSUAL = (*SLOW, ExpressionError)
Rows = NDArray[np.float32]


class Featuriser:
    """Featurises events as the training of a bundle did.

    Args:
        bundle: verified; read once, not kept.

    Attributes:
        branches: kind (``flat`` or ``jagged``) of each branch that has to be given, by name.
        optional: branches that may be given and make no difference: those only the cuts need, and the identifiers.
    """

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        given = [entry for entry in manifest.inputs if entry.expression is None]
        features = bundle.layout.branches
        self._features = features
        self._missing = bundle.layout.missing
        self._from_origin = any(branch.origin for branch in features)
        self._wanted = [branch.name for branch in features]
        self._preprocessing = Preprocessing.from_json(bundle.preproc.get("steps"))
        needed = set(self._preprocessing.needed_for(self._wanted))
        self._dtypes = {entry.name: entry.dtype for entry in given}
        kinds = {branch.name: str(branch.kind) for branch in features} | {
            entry.name: str(entry.kind) for entry in given
        }
        self.branches: dict[str, str] = {name: kinds[name] for name in kinds if name in needed}
        self.optional = frozenset({entry.name for entry in given} | set(manifest.identifier)) - self.branches.keys()
        self._typed = bool(self._preprocessing.variables_for(self._wanted))
        self._get = getter(self.branches)
        self._count = len(self.branches)
        lengths = [(branch.name, branch.kind, branch.length) for branch in features]
        self._packer = Packer(lengths, self._dtypes)
        self._variables = Variables(self._preprocessing, self._wanted, kinds, self._dtypes) if self._typed else None
        self._columns = bundle.layout.columns
        self._column_packer = Packer([(name, "flat", 1) for name in self._columns], {})
        self._of_columns = [
            FeatureBranch(name, "flat", 1, 0.0, 1.0, 0.0, 0.0, branch.origin)
            for branch, names in _columns_by_branch(bundle.layout)
            for name in names
        ]

    def warm_up(self) -> None:
        """Do everything once, so that no request waits for compiled code."""
        empty: dict[str, Any] = {name: [[]] if kind == "jagged" else [None] for name, kind in self.branches.items()}
        self.columns(empty)
        self.records([{name: values[0] for name, values in empty.items()}])

    def keys_values(self, keys: Sequence[str], values: Sequence[Any]) -> Rows:
        """Return one event, given as keys and values in any order, as a row, float32 [1, D].

        The keys are names of branches, or of all feature columns (``Jet_pt[0]``, ...).

        Raises:
            BadRequestError: as `records`, or keys that do not fit the values.
        """
        event = paired(keys, values)
        if len(event) == self._count:
            try:
                return self._short(event)
            except UNUSUAL:
                pass
        return self._by_columns(event) if self._names_columns(event) else self.records([event])

    def records(self, events: Sequence[Mapping[str, Any]]) -> Rows:
        """Return events, a mapping by branch name each, as rows, float32 [N, D].

        Raises:
            BadRequestError: missing and unknown keys, or a value that does not fit its branch; names the event.
        """
        if 0 < len(events) <= FEW:
            try:
                if all(len(event) == self._count for event in events):
                    rows = [self._short(event) for event in events]
                    return rows[0] if len(rows) == 1 else np.concatenate(rows)
            except UNUSUAL:
                pass
        try:
            if all(len(event) == self._count for event in events):
                return self._matrix(zip(*map(self._get, events), strict=True), len(events))
        except (KeyError, TypeError):
            pass
        for index, event in enumerate(events):
            if not isinstance(event, Mapping):
                raise BadRequestError(f"{shown(event)} where an object with a value for each branch is expected",
                                      where=f"event {index}")  # fmt: skip
            check_keys(event, self.branches, f"event {index}" if len(events) > 1 else None, optional=self.optional)
        return self._matrix(zip(*map(self._get, events), strict=True), len(events))

    def columns(self, events: Mapping[str, Any]) -> Rows:
        """Return events, a list or array for each branch (see `flat_column`, `jagged_column`), as rows, float32 [N, D].

        Raises:
            BadRequestError: as `records`; columns of different lengths.
        """
        check_keys(events, self.branches, optional=self.optional)
        return self._matrix((events[name] for name in self.branches), events_in(events, self.branches))

    def _short(self, event: Mapping[str, Any]) -> Rows:
        if self._from_origin:
            raise TypeError  # origins are subtracted on the slow path only
        return self._packer.row(event if self._variables is None else self._variables.extend(event))

    def _matrix(self, values: Iterable[Any], events: int) -> Rows:
        columns: dict[str, Column] = {}
        if events:
            for (name, kind), value in zip(self.branches.items(), values, strict=True):
                dtype = self._dtypes.get(name, "float32")
                given = list(value) if isinstance(value, tuple) else value
                column: Column = (jagged_column if kind == "jagged" else flat_column)(name, dtype, given)
                columns[name] = typed(column, dtype) if self._typed else column
        else:
            return np.empty((0, len(self._columns)), dtype=np.float32)
        try:
            computed = self._preprocessing.compute(columns, self._wanted, events) if self._typed else columns
        except LengthMismatchError as error:
            left, right = error.operands
            first, second = error.counts
            what = f"{left} has {first} values and {right} has {second}, but {error.text!r} needs the same"
            raise BadRequestError(what, where=f"event {error.event}") from error
        except ExpressionError as error:
            raise BadRequestError(error.what) from error
        return raw_matrix(computed, self._features, events, missing=self._missing)

    def _by_columns(self, event: Mapping[str, Any]) -> Rows:
        try:
            if len(event) == len(self._columns) and not self._from_origin:
                return self._column_packer.row(event)
        except SLOW:
            pass
        check_keys(event, self._columns)
        values = {
            branch.name: flat_column(branch.name, "int64" if branch.origin else "float64", [event[branch.name]])
            for branch in self._of_columns
        }
        return raw_matrix(values, self._of_columns, 1, missing=self._missing)

    def _names_columns(self, event: Mapping[str, Any]) -> bool:
        known = set(self._columns) - self.branches.keys() - self.optional
        return not known.isdisjoint(event) and not self.branches.keys() <= event.keys()


def _columns_by_branch(layout: Layout) -> Iterator[tuple[FeatureBranch, tuple[str, ...]]]:
    """Yield each branch with the names of its columns."""
    start = 0
    for branch in layout.branches:
        yield branch, layout.columns[start : start + branch.length]
        start += branch.length
