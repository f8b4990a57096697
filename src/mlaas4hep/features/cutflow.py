"""How many events, and what sum of weights, are left after each cut.

Counts and exact sums make a cutflow the same bit by bit whatever the chunks, their order and the number of workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BundleError, WeightError
from mlaas4hep.features.statistics.exact import ExactSum

__all__ = ["Cutflow", "CutflowRow", "render", "total"]

ALL_EVENTS = "all events"


@dataclass(frozen=True, slots=True)
class CutflowRow:
    """One line of the table.

    Attributes:
        name: of the cut.
        events: events that pass this cut and all before it.
        fraction: of all events; None if there were none.
        weighted: their sum of weights.
        weighted_fraction: of the sum of weights of all events; None if that is zero.
    """

    name: str
    events: int
    fraction: float | None
    weighted: float
    weighted_fraction: float | None


@dataclass(frozen=True, slots=True)
class Cutflow:
    """Events and weights before the cuts and after each, cumulative; a monoid under `merge`.

    Attributes:
        names: of the C cuts, in order.
        events: C + 1 counts, first without cuts.
        weights: C + 1 sums of weights.
    """

    names: tuple[str, ...]
    events: tuple[int, ...]
    weights: tuple[ExactSum, ...]

    @staticmethod
    def empty(names: Sequence[str]) -> Cutflow:
        """Return the cutflow of no events."""
        return Cutflow(tuple(names), (0,) * (len(names) + 1), (ExactSum(),) * (len(names) + 1))

    @staticmethod
    def of(names: Sequence[str], passing: NDArray[np.bool_], weights: NDArray[Any] | None = None) -> Cutflow:
        """Return the cutflow of some events.

        Args:
            names: of the C cuts, in order.
            passing: bool [C, N], whether each event passes each cut alone (see `Preprocessing.passing`).
            weights: [N], the weight of each event; None: 1 for all. Without cuts they say how many events there are.

        Raises:
            WeightError: a weight is NaN or infinite.
        """
        if passing.shape[0] != len(names):
            msg = f"{len(names)} names for {passing.shape[0]} cuts"
            raise ValueError(msg)
        if weights is not None and not np.isfinite(weights).all():
            event = int(np.flatnonzero(~np.isfinite(weights))[0])
            raise WeightError(f"the weight of event {event} of the chunk is {weights[event]}")
        size = passing.shape[1] if len(names) or weights is None else len(weights)
        left = np.ones(size, dtype=np.bool_)
        events: list[int] = []
        sums: list[ExactSum] = []
        for row in (left, *passing):
            left = left & row
            count = int(np.count_nonzero(left))
            events.append(count)
            sums.append(ExactSum.of([count]) if weights is None else ExactSum.of(weights[left]))
        return Cutflow(tuple(names), tuple(events), tuple(sums))

    def merge(self, other: Cutflow) -> Cutflow:
        """Return the cutflow of the events of both, which must have the same cuts."""
        if self.names != other.names:
            msg = f"cutflows of different cuts: {self.names} and {other.names}"
            raise ValueError(msg)
        events = tuple(a + b for a, b in zip(self.events, other.events, strict=True))
        return Cutflow(self.names, events, tuple(a + b for a, b in zip(self.weights, other.weights, strict=True)))

    def table(self) -> list[CutflowRow]:
        """Return one row without cuts and one for each cut."""
        before = self.weights[0].value()
        rows = []
        for name, events, weight in zip((ALL_EVENTS, *self.names), self.events, self.weights, strict=True):
            weighted = weight.value()
            fraction = events / self.events[0] if self.events[0] else None
            rows.append(CutflowRow(name, events, fraction, weighted, weighted / before if before else None))
        return rows

    def to_json(self) -> dict[str, Any]:
        """For a bundle: names, events, weights (rounded, for people) and exact weights."""
        return {
            "names": list(self.names),
            "events": list(self.events),
            "weights": [weight.value() for weight in self.weights],
            "exact_weights": [weight.to_json() for weight in self.weights],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Cutflow:
        """Return what `to_json` wrote.

        Raises:
            BundleError: it is something else.
        """
        try:
            names = tuple(str(name) for name in data["names"])
            events = tuple(int(count) for count in data["events"])
            weights = tuple(ExactSum.from_json(weight) for weight in data["exact_weights"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"not a cutflow ({error})") from error
        if not len(names) + 1 == len(events) == len(weights):
            raise BundleError(f"a cutflow of {len(names)} cuts has {len(events)} counts and {len(weights)} weights")
        return Cutflow(names, events, weights)

    def to_state(self) -> dict[str, Any]:
        """Return a JSON value from which `from_state` makes the same cutflow, exactly."""
        weights = [weight.to_json() for weight in self.weights]
        return {"names": list(self.names), "events": list(self.events), "weights": weights}

    @staticmethod
    def from_state(state: object) -> Cutflow:
        """Return what `to_state` wrote.

        Raises:
            ValueError: it is something else.
        """
        match state:
            case {"names": [*names], "events": [*events], "weights": [*weights], **rest} if not rest:
                counts = [n for n in events if isinstance(n, int) and not isinstance(n, bool) and n >= 0]
                texts = [name for name in names if isinstance(name, str)]
                sums = tuple(ExactSum.from_json(weight) for weight in weights)
                whole = len(texts) == len(names) and len(counts) == len(events)
                if whole and len(names) + 1 == len(events) == len(sums) and counts == sorted(counts, reverse=True):
                    return Cutflow(tuple(texts), tuple(counts), sums)
        msg = "not the state of a cutflow"
        raise ValueError(msg)


def total(cutflows: Mapping[str, Cutflow]) -> Cutflow:
    """Return all of them together; they must have the same cuts."""
    first, *others = cutflows.values()
    for other in others:
        first = first.merge(other)
    return first


def render(cutflows: Mapping[str, Cutflow]) -> str:
    """Return a plain-text table for the terminal: one block a file (or sample), and the total if there are several."""
    blocks = dict(cutflows)
    if len(blocks) > 1:
        blocks["total"] = total(cutflows)
    tables = {key: [_cells(row) for row in cutflow.table()] for key, cutflow in blocks.items()}
    header = ("", "events", "fraction", "weighted", "fraction")
    rows = [header, *(cells for table in tables.values() for cells in table)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [_line(header, widths)]
    for key, table in tables.items():
        lines += [key, *(_line(cells, widths) for cells in table)]
    return "\n".join(lines) + "\n"


def _cells(row: CutflowRow) -> tuple[str, str, str, str, str]:
    return (
        " ".join(row.name.split()),
        str(row.events),
        _percent(row.fraction),
        f"{row.weighted:.6g}",
        _percent(row.weighted_fraction),
    )


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f} %"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = "  ".join(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return f"  {cells[0].ljust(widths[0])}  {numbers}".rstrip()
