"""Figures of all rounds, and what is derived from them: medians, and ratios taken within each round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.streaming.measure import Figure, Found

__all__ = ["BEFORE", "Results", "Spread", "number"]

BEFORE = "before."
"""Beginning of the keys of another checkout's figures."""


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some values."""

    middle: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Of one value at least."""
        return Spread(median(values), min(values), max(values))

    def text(self, form: Callable[[float], str]) -> str:
        """As in ``1.2 (1.1..1.3)``."""
        return f"{form(self.middle)} ({form(self.low)}..{form(self.high)})"


@dataclass
class Results:
    """Figures by key and round."""

    figures: dict[str, dict[int, Figure]] = field(default_factory=dict)

    def add(self, number: int, found: Found) -> None:
        """Figures of one round."""
        for key, figure in found.items():
            self.figures.setdefault(key, {})[number] = figure

    def __contains__(self, key: str) -> bool:
        return key in self.figures

    def spread(self, key: str, value: Callable[[Figure], float]) -> Spread:
        """Of something over all rounds."""
        return Spread.of([value(figure) for figure in self.figures[key].values()])

    def rate(self, key: str) -> Spread:
        """Events a second."""
        return self.spread(key, lambda figure: figure.events / figure.seconds)

    def ratio(self, key: str, other: str) -> Spread:
        """Of the rates, round by round."""
        mine, theirs = self.figures[key], self.figures[other]
        rounds = mine.keys() & theirs.keys()
        pairs = ((mine[r], theirs[r]) for r in rounds)
        return Spread.of([(a.events / a.seconds) / (b.events / b.seconds) for a, b in pairs])

    def best(self, start: str, rounds: int = 1) -> list[str]:
        """Keys with this beginning that have so many rounds, the fastest first."""
        keys = [key for key, found in self.figures.items() if key.startswith(start) and len(found) >= rounds]
        return sorted(keys, key=lambda key: -self.rate(key).middle)


def number(value: float) -> str:
    """Three digits that count, thousands apart."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}".replace(",", " ") if rounded >= 100 else f"{rounded:.3g}"
