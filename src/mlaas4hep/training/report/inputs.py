"""What the model was given: distributions of the most important branches in each class, and their correlations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.layout import Layout
from mlaas4hep.training.report.style import INK, MUTED, class_colours, draw_svg, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Inputs", "correlation", "correlation_svg", "inputs_of", "inputs_svg"]

MOST = 12
"""Branches that are shown: a page stays quick and small however many there are."""

_BINS = 30
_WHOLE = 1e6
_COLUMNS = 3
_RED, _BLUE = (0xE4 / 255, 0x25 / 255, 0x36 / 255), (0x57 / 255, 0x90 / 255, 0xFC / 255)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Values of some branches, one of each event: of a jagged branch the first of the list.

    Attributes:
        names: of the branches, ``Jet_pt[0]`` for a jagged one.
        values: as read, float32 [N, B]; NaN where missing.
        y: class indices [N], or targets.
        weight: physics weights, float64 [N].
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    y: NDArray[Any]
    weight: NDArray[np.float64]


def inputs_of(
    raw: NDArray[np.float32], y: NDArray[Any], weight: NDArray[np.float64], layout: Layout, order: Sequence[str]
) -> Inputs:
    """Choose branches.

    Args:
        raw: raw feature columns (see `Layout`), float32 [N, D].
        y: class indices or targets [N].
        weight: physics weights [N].
        layout: says which columns belong to which branch.
        order: branches from the most important on; those that are not named come after them.
    """
    first: dict[str, tuple[str, int]] = {}
    start = 0
    for branch in layout.branches:
        first[branch.name] = (f"{branch.name}[0]" if branch.kind == "jagged" else branch.name, start)
        start += branch.length
    chosen = [first[name] for name in dict.fromkeys([*order, *first])][:MOST]
    columns = [column for _, column in chosen]
    values = np.where(layout.real(raw)[:, columns], raw[:, columns], np.float32(np.nan))
    return Inputs(tuple(name for name, _ in chosen), values, y, weight)


def inputs_svg(inputs: Inputs, classes: Sequence[str]) -> str:
    """Distributions of all chosen branches, each class with unit area."""
    rows = -(-len(inputs.names) // _COLUMNS)
    labels = list(classes) or ["all events"]

    def build(figure: Figure) -> None:
        panels = figure.subplots(rows, _COLUMNS, squeeze=False).reshape(-1)
        for index, axes in enumerate(panels):
            if index < len(inputs.names):
                _panel(axes, inputs, index, labels, one=not classes)
            else:
                axes.set_axis_off()
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=min(4, len(labels)))

    return draw_svg("inputs", build, 11.0, 0.6 + 2.5 * rows)


def _panel(axes: Axes, inputs: Inputs, index: int, labels: Sequence[str], *, one: bool) -> None:
    values = inputs.values[:, index].astype(np.float64)
    real = np.isfinite(values)
    low, high = np.quantile(values[real], [0.005, 0.995]) if real.any() else (0.0, 1.0)
    least = max(1e-3 * max(abs(low), abs(high)), 1e-30)  # of a constant branch, or nearly so
    if high - low < 1e-3 * least:
        low, high = low - least, high + least
    edges = _edges(values[real], float(low), float(high))
    for number, (label, colour) in enumerate(zip(labels, class_colours(len(labels)), strict=True)):
        mine = real if one else real & (inputs.y == number)
        counts = np.histogram(values[mine], edges, weights=inputs.weight[mine])[0]
        total = float(counts.sum())
        shares = counts / total if total > 0.0 else np.zeros(len(counts))
        axes.stairs(shares, edges, color=colour, linewidth=1.5, label=plain(label, 24))
    axes.set_xlabel(plain(inputs.names[index], 30))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0.0)
    axes.tick_params(axis="y", which="both", left=False, labelleft=False)
    axes.locator_params(axis="x", nbins=5)


def _edges(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Edges of the bins; of whole numbers each bin holds equally many."""
    if len(values) and (values == np.round(values)).all() and max(abs(low), abs(high)) < _WHOLE:
        step = max(1.0, np.ceil((high - low + 1.0) / _BINS))
        return np.asarray(np.arange(np.floor(low) - 0.5, high + step, step), dtype=np.float64)
    return np.linspace(low, high, _BINS + 1)


def correlation(values: NDArray[np.float32], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted linear correlation of each pair of columns, over the events that have both.

    Args:
        values: [N, B], NaN where missing.
        weight: [N], any sign.

    Returns:
        float64 [B, B]; NaN where a branch does not vary or the weights make it meaningless.
    """
    real = np.isfinite(values)
    filled = np.where(real, values, 0.0).astype(np.float64)
    filled = np.where(real, filled - filled.sum(axis=0) / np.maximum(1, real.sum(axis=0)), 0.0)
    present = real.astype(np.float64)
    weighted = present * weight[:, np.newaxis]
    total = weighted.T @ present
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (filled * weight[:, np.newaxis]).T @ present / total  # of the row's branch where the column's is there
        square = (filled**2 * weight[:, np.newaxis]).T @ present / total
        product = (filled * weight[:, np.newaxis]).T @ filled / total
        variance = square - mean**2
        variance = np.where(variance > 1e-12 * square, variance, np.nan)
        found = (product - mean * mean.T) / np.sqrt(variance * variance.T)
    return np.where(np.abs(found) <= 1.0 + 1e-9, np.clip(found, -1.0, 1.0), np.nan)


def correlation_svg(name: str, inputs: Inputs, mine: NDArray[np.bool_]) -> str:
    """Matrix of correlations of some events, in per cent."""
    table = correlation(inputs.values[mine], inputs.weight[mine])
    size = len(inputs.names)

    def build(figure: Figure) -> None:
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        for row in range(size):
            for column in range(size):
                value = table[row, column]
                if np.isfinite(value):
                    colour = _RED if value > 0.0 else _BLUE
                    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=(*colour, 0.75 * abs(value)), lw=0))
                text = f"{round(100.0 * value)}" if np.isfinite(value) else "-"
                axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=9.5, color=INK)
        axes.set_xlim(0, size)
        axes.set_ylim(size, 0)
        names = [plain(label, 18) for label in inputs.names]
        axes.set_xticks(np.arange(size) + 0.5, names, rotation=40, ha="right", fontsize=9.5)
        axes.set_yticks(np.arange(size) + 0.5, names, fontsize=9.5)
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        for side in axes.spines.values():
            side.set_color(MUTED)

    return draw_svg(name, build, 7.4, 6.2)
