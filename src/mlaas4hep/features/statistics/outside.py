"""Values outside of the range of the training events: how many, of which branches, and which number if it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.findings import NAMED, few
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.statistics.branch import number_text
from mlaas4hep.features.statistics.origin import less

__all__ = ["Outside", "Ranges"]

USUAL = 10.0
"""So many times what events like those of the training have outside is still nothing to be told."""

FEW = 3
LARGE_SHARE = 0.1
REPEATED = 10


@dataclass
class _Count:
    """Real values of one branch, those outside among them, and their extremes with how often these occur."""

    values: int = 0
    outside: int = 0
    low: float = np.inf
    lows: int = 0
    high: float = -np.inf
    highs: int = 0

    def add(self, other: _Count) -> None:
        self.values += other.values
        self.outside += other.outside
        lows = (self.lows if self.low <= other.low else 0) + (other.lows if other.low <= self.low else 0)
        highs = (self.highs if self.high >= other.high else 0) + (other.highs if other.high >= self.high else 0)
        self.low, self.lows = min(self.low, other.low), lows
        self.high, self.highs = max(self.high, other.high), highs

    @property
    def repeated(self) -> float | None:
        """The number that at least half of the values outside are; None if there is none."""
        often, number = max((self.lows, self.low), (self.highs, self.high))
        return number if often >= REPEATED and 2 * often >= self.outside else None


@dataclass
class Outside:
    """What was found of each branch; parts are added in any order.

    Attributes:
        branches: by name.
        training: values of each branch in the training, as far as known.
    """

    branches: dict[str, _Count] = field(default_factory=dict)
    training: dict[str, int] = field(default_factory=dict)

    def add(self, other: Outside) -> None:
        """Add what was found in other events."""
        self.training.update(other.training)
        for name, count in other.branches.items():
            self.branches.setdefault(name, _Count()).add(count)

    def to_json(self) -> dict[str, Any]:
        """Branches that have values outside: their number, their share of the real values, the extremes among them."""
        return {
            name: {
                "values": count.outside,
                "share": count.outside / count.values,
                "min": count.low,
                "max": count.high,
                **({"mostly": count.repeated} if count.repeated is not None else {}),
            }
            for name, count in self.branches.items()
            if count.outside
        }

    def warning(self) -> str | None:
        """Return a sentence about branches with more values outside than events like those of the training have."""
        telling = {name: count for name, count in self.branches.items() if self._tells(name, count)}
        if not telling:
            return None
        ordered = sorted(telling.items(), key=lambda pair: -pair[1].outside / pair[1].values)
        texts = []
        for name, count in ordered:
            mostly = "" if count.repeated is None else f", mostly {number_text(count.repeated)}"
            texts.append(f"{name} ({count.outside}, {100 * count.outside / count.values:.3g} %{mostly})")
        return (
            f"values outside the range that the model was trained on: {few(texts, NAMED)}. "
            "Their scores cannot be relied on"
        )

    def _tells(self, name: str, count: _Count) -> bool:
        if not count.outside:
            return False
        expected = 2.0 * count.values / (self.training.get(name, count.values) + 1)
        much = count.outside > FEW + USUAL * expected or count.outside > LARGE_SHARE * count.values
        return much or count.repeated is not None


@dataclass(frozen=True, eq=False)
class Ranges:
    """Ranges of the training for each raw column.

    Attributes:
        layout: the columns.
        low, high: as raw columns have them, float32 [D]; -inf and inf where nothing is known.
        training: values of each branch in the training.
    """

    layout: Layout
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    training: dict[str, int]

    @staticmethod
    def of(layout: Layout, specs: Mapping[str, Any]) -> Ranges:
        """From the ``branches`` in the ``specs.json`` of a bundle."""
        low: list[float] = []
        high: list[float] = []
        training: dict[str, int] = {}
        for branch in layout.branches:
            figures: Mapping[str, Any] = specs.get(branch.name) or {}
            ends = figures.get("min"), figures.get("max")
            first, last = -np.inf, np.inf
            if all(isinstance(end, int | float) and np.isfinite(float(end)) for end in ends):
                first, last = (less(end, branch.origin) for end in ends if end is not None)
                training[branch.name] = int(figures.get("values", 0)) - int(figures.get("missing", 0))
            low += [first] * branch.length
            high += [last] * branch.length
        with np.errstate(over="ignore"):
            return Ranges(layout, np.array(low, np.float32), np.array(high, np.float32), training)

    def count(self, raw: NDArray[np.float32]) -> Outside:
        """Return what lies outside among some events.

        Args:
            raw: raw feature columns, float32 [N, D].
        """
        real = self.layout.real(raw)
        below, above = real & (raw < self.low), real & (raw > self.high)
        values, outside = real.sum(axis=0), (below | above).sum(axis=0)
        found = Outside(training=self.training)
        start = 0
        for branch in self.layout.branches:
            columns = slice(start, start + branch.length)
            start += branch.length
            count = _Count(int(values[columns].sum()), int(outside[columns].sum()))
            if count.outside:
                numbers = raw[:, columns][(below | above)[:, columns]]
                low, high = numbers.min(), numbers.max()
                count.low, count.lows = float(low) + branch.origin, int((numbers == low).sum())
                count.high, count.highs = float(high) + branch.origin, int((numbers == high).sum())
            found.branches[branch.name] = count
        return found
