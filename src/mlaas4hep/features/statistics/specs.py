"""Specs: what one pass over the events learns of every branch. Specs of parts merge into the specs of the whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Column, Jagged, length_of
from mlaas4hep.features.compiled import positions
from mlaas4hep.features.statistics.branch import Lengths, Number, ValueStatistics
from mlaas4hep.features.statistics.state import (
    lengths_from_state,
    lengths_to_state,
    mapping,
    values_from_state,
    values_to_state,
    whole,
)

__all__ = ["BranchSpecs", "Specs", "legacy_specs"]

QUANTILES = (0.01, 0.16, 0.5, 0.84, 0.99)
LENGTH_QUANTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some events.

    Attributes:
        index: their positions, int64 [n].
        runs: first and last + 1 of those that follow one another, int64 [r, 2].
    """

    index: NDArray[np.int64]
    runs: NDArray[np.int64]

    @staticmethod
    def of(chosen: NDArray[np.int64], events: int) -> Chosen:
        """From positions, int64 [n], among this many events."""
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < events:
            msg = f"positions of events must be 0 to {events - 1}"
            raise IndexError(msg)
        ends = np.flatnonzero(np.diff(chosen, append=-2) != 1)
        starts = np.concatenate([np.zeros(min(len(ends), 1), dtype=np.int64), ends[:-1] + 1])
        return Chosen(chosen, np.stack([chosen[starts], chosen[ends] + 1], axis=1))


@dataclass(frozen=True, eq=False)
class BranchSpecs:
    """One branch: its values, and for a jagged one the lengths of its lists."""

    kind: Literal["flat", "jagged"]
    values: ValueStatistics
    lengths: Lengths | None = None

    @staticmethod
    def of(column: Column, missing: NDArray[np.float64], chosen: Chosen | None = None) -> BranchSpecs:
        """Specs of one column, or of some events of it; ``missing`` (float64 [k]) are values that mean missing."""
        if not isinstance(column, Jagged):
            return BranchSpecs("flat", ValueStatistics.of(column, missing, None if chosen is None else chosen.runs))
        counts = column.counts
        if chosen is None:
            return BranchSpecs("jagged", ValueStatistics.of(column.values, missing), Lengths.of(counts))
        ranges = column.offsets[chosen.runs] - column.offsets[0]
        return BranchSpecs(
            "jagged", ValueStatistics.of(column.values, missing, ranges), Lengths.of(counts[chosen.index])
        )

    def __add__(self, other: BranchSpecs) -> BranchSpecs:
        lengths = self.lengths + other.lengths if self.lengths and other.lengths else None
        return BranchSpecs(self.kind, self.values + other.values, lengths)

    def to_json(self) -> dict[str, Any]:
        """Return all figures as JSON, of the values as they are stored; null where there is no real value."""
        values, stored = self.values, self.values.stored
        out: dict[str, Any] = {
            "kind": self.kind,
            "values": values.count,
            "missing": values.missing,
            "infinite": values.infinite,
            "large": 0 if values.large is None else values.large.count,
            "min": _number(stored.low),
            "max": _number(stored.high),
            "mean": _number(stored.mean),
            "std": _number(stored.std),
            "quantiles": {str(q): _number(stored.quantile(q)) for q in QUANTILES},
            "quantile_error": _number(max(stored.quantile_error(q) for q in QUANTILES)),
        }
        if self.lengths is not None:
            out["length"] = {
                "max": self.lengths.maximum,
                "quantiles": {str(q): self.lengths.quantile(q) for q in LENGTH_QUANTILES},
            }
        return out

    def to_state(self) -> dict[str, Any]:
        """Return a JSON value from which `from_state` makes the same specs, exactly."""
        lengths = None if self.lengths is None else lengths_to_state(self.lengths)
        return {"kind": self.kind, "values": values_to_state(self.values), "lengths": lengths}

    @staticmethod
    def from_state(state: object, events: int) -> BranchSpecs:
        """Return what `to_state` wrote of this many events.

        Raises:
            ValueError: it is something else.
        """
        parts = mapping(state, {"kind", "values", "lengths"})
        kind, values = parts["kind"], values_from_state(parts["values"])
        if kind == "flat" and parts["lengths"] is None and values.count == events:
            return BranchSpecs("flat", values)
        if kind == "jagged":
            lengths = lengths_from_state(parts["lengths"])
            numbers, counts = lengths.lengths.tolist(), lengths.counts.tolist()
            if sum(counts) == events and sum(n * c for n, c in zip(numbers, counts, strict=True)) == values.count:
                return BranchSpecs("jagged", values, lengths)
        msg = f"not the state of the specs of {events} events"
        raise ValueError(msg)


@dataclass(frozen=True, eq=False)
class Specs:
    """All branches of some events."""

    events: int
    branches: dict[str, BranchSpecs]

    @staticmethod
    def of(
        columns: Mapping[str, Column], events: int, missing: Iterable[float] = (), index: NDArray[Any] | None = None
    ) -> Specs:
        """Specs of columns of ``events`` events, or of some of their events.

        Args:
            columns: by name.
            events: number of events of the columns; does not matter where there is an index.
            missing: values that mean missing.
            index: the events that count: positions (integers [n], in any order) or a mask (bool, one for each event of
                the columns). None: all.

        Raises:
            IndexError: an event that the columns do not have.
            ValueError: columns of another number of events, or a mask that is.
        """
        absent = np.array(tuple(missing), dtype=np.float64)
        if index is not None:
            events = length_of(columns) if columns else len(index)
        for name, column in columns.items():
            if len(column) != events:
                msg = f"{name} has {len(column)} events, not {events}"
                raise ValueError(msg)
        if index is None:
            return Specs(events, {name: BranchSpecs.of(column, absent) for name, column in columns.items()})
        chosen = positions(index, events)
        if not columns:
            return Specs(len(chosen), {})
        some = Chosen.of(chosen, events)
        return Specs(len(chosen), {name: BranchSpecs.of(column, absent, some) for name, column in columns.items()})

    def __add__(self, other: Specs) -> Specs:
        return Specs(
            self.events + other.events,
            {name: specs + other.branches[name] for name, specs in self.branches.items()},
        )

    @property
    def values(self) -> dict[str, ValueStatistics]:
        """Statistics of the values of each branch."""
        return {name: part.values for name, part in self.branches.items()}

    @staticmethod
    def merge(parts: Iterable[Specs]) -> Specs:
        """Return the specs of the whole from those of its parts, of which there is at least one."""
        return reduce(Specs.__add__, parts)

    def to_json(self) -> dict[str, Any]:
        """Return all figures as JSON."""
        return {"events": self.events, "branches": {name: specs.to_json() for name, specs in self.branches.items()}}

    def to_state(self) -> dict[str, Any]:
        """Return a JSON value from which `from_state` makes the same specs, exactly."""
        return {"events": self.events, "branches": {name: specs.to_state() for name, specs in self.branches.items()}}

    @staticmethod
    def from_state(state: object) -> Specs:
        """Return what `to_state` wrote.

        Raises:
            ValueError: it is something else.
        """
        parts = mapping(state, {"events", "branches"})
        events, branches = whole(parts["events"], 1 << 62), parts["branches"]
        if not isinstance(branches, dict):
            msg = "not the state of specs"
            raise ValueError(msg)
        return Specs(events, {str(name): BranchSpecs.from_state(part, events) for name, part in branches.items()})


def legacy_specs(specs: Specs, events: Mapping[str, int]) -> dict[str, Any]:
    """The same facts in the original's form of ``specs.json``; without any real value the minimum is above the maximum.

    Args:
        specs: of all files.
        events: number of events of each file.
    """
    jagged = {name: part for name, part in specs.branches.items() if part.kind == "jagged"}
    stored = {name: part.values.stored for name, part in specs.branches.items()}
    flat = [name for name, part in specs.branches.items() if part.kind == "flat"]
    return {
        "jdim": {name: part.lengths.maximum if part.lengths else 0 for name, part in jagged.items()},
        "minv": {name: part.low if part.count else 1.0 for name, part in stored.items()},
        "maxv": {name: part.high if part.count else -1.0 for name, part in stored.items()},
        "fkeys": flat,
        "jkeys": list(jagged),
        "nans": {name: part.values.missing + part.values.infinite for name, part in specs.branches.items()},
        "events": {**events, "total": sum(events.values())},
    }


def _number(value: Number) -> Number | None:
    return value if isinstance(value, int) or math.isfinite(value) else None
