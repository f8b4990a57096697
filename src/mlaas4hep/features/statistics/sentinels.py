"""Values that look as if they meant missing although nobody said so: one number, far from all others, again and again.

A number such as -999 or the largest float stretches the range of a branch until nothing else is seen. It is told by
its kind, not from a list: it occurs often, it lies outside of where all other values are, and what separates it from
them is wide compared with how they spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.findings import few
from mlaas4hep.features.statistics.branch import ValueStatistics, number_text
from mlaas4hep.features.statistics.sketch import Sketch

__all__ = ["Suspect", "suspects", "warning_of"]

SHOWN = 4
"""Branches, and clashes, that the warning names."""

SHARE = 0.001
LEAST = 10
MOST_SPIKES = 5
"""With more numbers that occur often the branch is one of whole numbers or categories."""

CONTINUOUS = 0.05
DISTINCT = 50
"""Share of the other values, and how many different ones there are at least, in a branch of continuous values."""

EDGE = (0.001, 0.01)
"""Quantiles of the other values that say how they end."""

FAR = 0.3
"""Part of the range of the other values that lies between them and a number of the same sign."""

WIDTHS = 8.0
DISTANCE = 50.0
"""A category lies this many ranges of all others apart, and this far, to be suspected."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A value that may mean missing.

    Attributes:
        value: as stored.
        share: of all values of the branch.
    """

    value: float
    share: float


def suspects(values: ValueStatistics) -> tuple[Suspect, ...]:
    """Numbers of a branch that occur often, far from all others; ascending."""
    sketch = values.features.sketch
    total = int(sketch.counts.sum())
    often = sketch.single & (sketch.counts >= max(LEAST, SHARE * total))
    beyond = _beyond(values)
    if not total or not often.any():
        return beyond
    often &= sketch.first != 0  # zero is a value like any other: no energy, no track
    spikes = np.flatnonzero(often)
    core = total - int(sketch.counts[spikes].sum())
    distinct = int(np.count_nonzero(~often))
    if len(spikes) <= MOST_SPIKES and core >= CONTINUOUS * total and distinct >= DISTINCT:
        found = [index for index in spikes.tolist() if _beside(sketch, ~often, index)]
    else:
        found = _apart(sketch, often)
    ones = [Suspect(sketch.edges(index)[0], int(sketch.counts[index]) / values.count) for index in found]
    return tuple(sorted((*ones, *beyond), key=lambda one: one.value))


def _beyond(values: ValueStatistics) -> tuple[Suspect, ...]:
    """Numbers beyond float32 that occur often, such as the largest double."""
    if values.large is None:
        return ()
    sketch = values.large.sketch
    often = np.flatnonzero(sketch.single & (sketch.counts >= max(LEAST, SHARE * values.count)))
    return tuple(Suspect(sketch.edges(index)[0], int(sketch.counts[index]) / values.count) for index in often.tolist())


def _beside(sketch: Sketch, others: NDArray[np.bool_], index: int) -> bool:
    """Whether a number lies outside of continuous values, by more than they thin out towards their end."""
    rest = Sketch(sketch.level, sketch.first[others], sketch.counts[others], sketch.single[others])
    value = sketch.edges(index)[0]
    low, high = (rest.quantile(q)[0] for q in (EDGE[0], 1.0 - EDGE[0]))
    width = high - low
    if value > high:  # the same with all signs changed
        value, low, inner, end = -value, -high, -rest.quantile(1.0 - EDGE[1])[0], -rest.edges(len(rest.first) - 1)[1]
    else:
        inner, end = rest.quantile(EDGE[1])[0], rest.edges(0)[0]
    gap = low - value
    if value < 0.0 <= end:
        return True
    return gap > inner - low and gap > FAR * width and value < end


def _apart(sketch: Sketch, often: NDArray[np.bool_]) -> list[int]:
    """Categories at either end that are far from all others, peeled off one by one."""
    found: list[int] = []
    first, last = 0, len(sketch.first) - 1
    while last - first >= 2:
        values = [sketch.edges(index)[0] for index in (first, first + 1, last - 1, last)]
        low, after, before, high = values
        if often[first] and after - low > WIDTHS * (high - after) and _chosen(low):
            found.append(first)
            first += 1
        elif often[last] and high - before > WIDTHS * (before - low) and _chosen(high):
            found.append(last)
            last -= 1
        else:
            break
    return found


def _chosen(category: float) -> bool:
    """Whether a person may have chosen it: a whole number, not small. A weight such as 6152.53 was computed."""
    return abs(category) >= DISTANCE and category.is_integer()


def warning_of(branches: Mapping[str, ValueStatistics], missing: Sequence[float]) -> str | None:
    """Return one sentence about all branches with such values, and the line that declares them; None if there are none.

    Args:
        branches: statistics by name.
        missing: values that are declared already.
    """
    found = {name: suspects(values) for name, values in branches.items()}
    texts = [f"{name}: {_shown(one.value)} ({100 * one.share:.3g} %)" for name, ones in found.items() for one in ones]
    if not texts:
        return None
    numbers = sorted({one.value for ones in found.values() for one in ones} | set(missing))
    named = few(texts, SHOWN)
    line = ", ".join(map(_shown, numbers))
    clashes = [
        f"{_shown(number)} is an ordinary value of {name}"
        for number in numbers
        for name in [next((n for n, ones in found.items() if _ordinary(branches[n], number, ones)), None)]
        if name is not None
    ]
    but = f" (this applies to all features, and {few(clashes, 1)})" if clashes else ""
    return (
        f"one number far from all others is frequent in these branches: {named}. "
        f"If it means that there is no value, declare it: features: missing: [{line}]{but}"
    )


def _shown(number: float) -> str:
    return number_text(int(number) if float(number).is_integer() and abs(number) < 2.0**63 else number)


def _ordinary(values: ValueStatistics, number: float, suspected: Sequence[Suspect]) -> bool:
    """Whether a number is one of the values of a branch that occur often, and is not suspected there."""
    sketch = values.features.sketch
    often = sketch.single & (sketch.counts >= max(LEAST, SHARE * values.real))
    there = any(sketch.edges(index)[0] == number for index in np.flatnonzero(often).tolist())
    return there and all(one.value != number for one in suspected)
