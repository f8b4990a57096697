"""Histograms of every branch, as read and as the model sees it, for each class; filled chunk by chunk."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.statistics.specs import Specs

__all__ = ["Histograms", "Panel", "file_names", "ranges_of"]

Range = tuple[float, float]


@dataclass(slots=True, eq=False)
class Panel:
    """Counts of one branch, before or after normalisation.

    Attributes:
        edges: bin edges, float64 [B + 1]; a bin holds its lower edge, the last one both, as in ``numpy.histogram``.
        counts: values in each bin, int64 [C, B].
        outside: values below, values above the range, values that are not finite (missing or padding), int64 [C, 3].
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    outside: NDArray[np.int64]

    @classmethod
    def empty(cls, low: float, high: float, bins: int, classes: int, *, single: bool = True) -> Panel:
        """Without entries; a range without extent is widened by one half on both sides.

        With ``single`` the range is rounded to float32, as the values are, so that none falls out by rounding.
        """
        if not (math.isfinite(low) and math.isfinite(high)):
            low, high = 0.0, 1.0
        low, high = (float(np.float32(end)) if single else float(end) for end in (low, high))
        if not low < high:
            low, high = low - 0.5, high + 0.5
        edges = np.histogram_bin_edges(np.zeros(0), bins, (low, high)).astype(np.float64)
        return cls(edges, np.zeros((classes, bins), dtype=np.int64), np.zeros((classes, 3), dtype=np.int64))

    def fill(self, values: NDArray[np.floating[Any]], index: int) -> None:
        """Add values (any shape) of the class ``index``."""
        finite = values[np.isfinite(values)].astype(np.float64)
        below, above = int((finite < self.edges[0]).sum()), int((finite > self.edges[-1]).sum())
        self.counts[index] += np.histogram(finite, self.edges)[0]
        self.outside[index] += (below, above, values.size - finite.size)

    def merge(self, other: Panel) -> None:
        """Add the counts of a panel with the same edges."""
        if not np.array_equal(self.edges, other.edges) or self.counts.shape != other.counts.shape:
            msg = "only histograms with the same edges and classes can be merged"
            raise ValueError(msg)
        self.counts += other.counts
        self.outside += other.outside

    def to_json(self, classes: Sequence[str]) -> dict[str, Any]:
        """Plain values, by class name."""
        return {
            "edges": self.edges.tolist(),
            "classes": {
                name: {
                    "counts": self.counts[index].tolist(),
                    **dict(zip(("below", "above", "missing"), self.outside[index].tolist(), strict=True)),
                }
                for index, name in enumerate(classes)
            },
        }


def ranges_of(specs: Specs) -> dict[str, Range]:
    """Return the smallest and the largest value of each branch that has one."""
    return {name: (part.values.low, part.values.high) for name, part in specs.branches.items() if part.values.real}


class Histograms:
    """Histograms of all branches of a layout; all columns of a branch together.

    Args:
        layout: the feature columns.
        ranges: smallest and largest value of each branch, known beforehand from the specs; a branch without a finite
            range gets 0 to 1.
        classes: names by class index; empty for regression (all events together).
        bins: number of bins.
    """

    def __init__(self, layout: Layout, ranges: Mapping[str, Range], classes: Sequence[str], bins: int = 50) -> None:
        self.layout = layout
        self.classes = tuple(classes) or ("all",)
        self.before: dict[str, Panel] = {}
        self.after: dict[str, Panel] = {}
        for branch in layout.branches:
            low, high = (value - branch.origin for value in ranges.get(branch.name, (math.nan, math.nan)))
            self.before[branch.name] = Panel.empty(low, high, bins, len(self.classes))
            self.after[branch.name] = Panel.empty(*_after(branch, layout, low, high), bins, len(self.classes))

    def fill(self, raw: NDArray[np.float32], transformed: NDArray[np.float32], y: NDArray[Any]) -> None:
        """Add some events.

        Args:
            raw: float32 [N, D], NaN where missing or padding.
            transformed: the same as the model sees it, float32 [N, D] or, with the mask (not shown), [N, 2 D].
            y: class indices [N]; not used for regression.
        """
        width = self.layout.width
        if raw.shape != (len(y), width) or transformed.shape not in {(len(y), width), (len(y), 2 * width)}:
            msg = f"columns have shapes {raw.shape} and {transformed.shape}, must be ({len(y)}, {width})"
            raise ValueError(msg)
        one = len(self.classes) == 1
        members = [slice(None) if one else np.flatnonzero(y == index) for index in range(len(self.classes))]
        real = np.where(self.layout.real(raw), raw, np.float32(np.nan)) if self.layout.missing else raw
        start = 0
        for branch in self.layout.branches:
            columns = slice(start, start + branch.length)
            start += branch.length
            for index, rows in enumerate(members):
                self.before[branch.name].fill(real[rows, columns], index)
                self.after[branch.name].fill(transformed[rows, columns], index)

    def merge(self, other: Histograms) -> None:
        """Add the counts of histograms of the same layout, ranges and classes, filled elsewhere."""
        if self.classes != other.classes or list(self.before) != list(other.before):
            msg = "only histograms of the same branches and classes can be merged"
            raise ValueError(msg)
        for name in self.before:
            self.before[name].merge(other.before[name])
            self.after[name].merge(other.after[name])

    def to_json(self) -> dict[str, Any]:
        """Edges and counts of every branch, and the name of its picture."""
        files = file_names([branch.name for branch in self.layout.branches])
        return {
            "classes": list(self.classes),
            "normalisation": self.layout.normalisation,
            "branches": {
                branch.name: {
                    "file": files[branch.name],
                    "kind": branch.kind,
                    "length": branch.length,
                    **({"origin": branch.origin} if branch.origin else {}),
                    "before": self.before[branch.name].to_json(self.classes),
                    "after": self.after[branch.name].to_json(self.classes),
                }
                for branch in self.layout.branches
            },
        }


def _after(branch: FeatureBranch, layout: Layout, low: float, high: float) -> Range:
    """Range of the values the model sees: both ends transformed, and the fill where there is one."""
    ends = [(np.float32(value) - np.float32(branch.offset)) * np.float32(branch.scale) for value in (low, high)]
    if not layout.nan:
        ends = [max(end, np.float32(branch.floor)) for end in ends] + [np.float32(branch.fill)]
    finite = [float(end) for end in ends if math.isfinite(end)]
    return (min(finite), max(finite)) if finite else (math.nan, math.nan)


def file_names(branches: Sequence[str]) -> dict[str, str]:
    """A file name for each branch: only letters, digits and ``_ . + -``, no two alike even if case is ignored."""
    names: dict[str, str] = {}
    used: set[str] = set()
    for branch in branches:
        stem = re.sub(r"[^A-Za-z0-9_.+-]", "_", branch).lstrip(".-")[:120] or "branch"
        name, number = stem, 1
        while name.lower() in used:
            number += 1
            name = f"{stem}_{number}"
        used.add(name.lower())
        names[branch] = f"{name}.png"
    return names
