"""Figures of every task: importance of the branches and learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlaas4hep.training.report.style import INK, MUTED, draw_svg, legend, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["IMPORTANCE_LABELS", "importance_svg", "learning_svgs"]

IMPORTANCE_LABELS = {
    "binary": "Drop in ROC AUC",
    "multiclass": "Rise in log loss",
    "regression": "Rise in mean squared error",
}
"""What the importance of a branch means, for each task."""

_BLUE, _RED = "#5790fc", "#e42536"


def importance_svg(rows: Sequence[Mapping[str, Any]], label: str, most: int = 25) -> str:
    """Bars of the most important branches, the first on top."""
    known = [row for row in rows if row.get("importance") is not None]
    shown = sorted(known, key=lambda row: -row["importance"])[:most]

    def build(figure: Figure) -> None:
        axes = figure.subplots()
        place = np.arange(len(shown))
        values = np.array([row["importance"] for row in shown], dtype=np.float64)
        errors = np.array([row.get("error") or 0.0 for row in shown], dtype=np.float64)
        axes.barh(place, values, height=0.62, color=_BLUE, alpha=0.85)
        axes.errorbar(values, place, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.2, capsize=2.5)
        axes.axvline(0.0, color=MUTED, linewidth=1.0)
        axes.set_yticks(place, [plain(str(row["branch"])) for row in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.tick_params(axis="y", which="both", length=0)
        axes.yaxis.set_tick_params(which="minor", left=False, right=False)
        axes.set_xlabel(label)
        low = float(min(0.0, (values - errors).min(initial=0.0)))
        high = float(max((values + errors).max(initial=0.0), 1e-9))
        axes.set_xlim(low - (0.03 * (high - low) if low < 0.0 else 0.0), high * 1.05)

    return draw_svg("importance", build, 8.6, 1.3 + 0.3 * max(len(shown), 3))


def learning_svgs(curves: Mapping[str, Sequence[float]], step: str, most: int = 4) -> list[tuple[str, str]]:
    """Learning curves: one figure a quantity, with train and validation together.

    Args:
        curves: name to one value a step; ``val_x`` belongs to ``x``. A quantity with a single value has no figure.
        step: what a step of the training is called.
        most: number of figures at most; the loss comes first.

    Returns:
        Pairs of caption and SVG.
    """
    names: list[str] = []
    for name in curves:
        base = name.removeprefix("val_")
        if base not in names and np.isfinite(np.asarray(curves[name], dtype=np.float64)).sum() > 1:
            names.append(base)
    names.sort(key=lambda name: name != "loss")
    return [
        (f"Learning curve: {name}", _learning(index, name, curves, step)) for index, name in enumerate(names[:most])
    ]


def _learning(number: int, name: str, curves: Mapping[str, Sequence[float]], step: str) -> str:
    def build(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        longest = 1
        for key, label, colour, style in (
            (name, "train", _BLUE, "-"),
            (f"val_{name}", "validation", _RED, "--"),
        ):
            values = np.asarray(curves.get(key, ()), dtype=np.float64)
            values = np.where(np.isfinite(values), values, np.nan)
            if len(values):
                longest = max(longest, len(values))
                marker = "o" if len(values) <= 30 else None
                steps = np.arange(1, len(values) + 1)
                axes.plot(steps, values, color=colour, linestyle=style, marker=marker, markersize=4, label=label)
        axes.set_xlabel(step.capitalize())
        axes.set_ylabel(plain(name.replace("_", " ").capitalize()))
        axes.set_xlim(0.5, longest + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.xaxis.set_minor_locator(MaxNLocator(integer=True, nbins=50, min_n_ticks=1))
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top + 0.15 * (top - bottom))
        legend(axes, loc="best")

    return draw_svg(f"learning-{number}", build)
