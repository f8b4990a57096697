"""Figures of classification in general: confusion matrix, and one ROC curve a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlaas4hep.training.judging.text import count, number
from mlaas4hep.training.metrics.curves import roc_curve
from mlaas4hep.training.metrics.parts import Scored
from mlaas4hep.training.metrics.ranges import within
from mlaas4hep.training.report.style import INK, MUTED, class_colours, draw_svg, legend, plain, thin

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion_svg", "one_vs_rest_svg"]

_BLUE = (0x57 / 255, 0x90 / 255, 0xFC / 255)


def one_vs_rest_svg(part: Scored, main: str, classes: Sequence[str], weighted: bool) -> str:
    """ROC curve of each class against all others."""

    def build(figure: Figure) -> None:
        axes = figure.subplots()
        for index, (name, colour) in enumerate(zip(classes, class_colours(len(classes)), strict=True)):
            column = part.column(index)
            roc = roc_curve(column.y == index, column.score, column.weight)
            if np.isfinite(within("auc", roc.area)):
                points = thin(roc.fpr, roc.tpr)
                label = f"{plain(name)}: AUC {number(roc.area)}"
                axes.plot(roc.fpr[points], roc.tpr[points], color=colour, label=label)
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.0)
        axes.set_xlabel("False positive rate (all other classes)")
        axes.set_ylabel("True positive rate (the class)")
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, 1.03)
        legend(axes, loc="lower right", title=f"{main}, weighted" if weighted else main, alignment="left")

    return draw_svg("roc", build)


def confusion_svg(name: str, matrix: Sequence[Sequence[float]], classes: Sequence[str], entries: str) -> str:
    """Confusion matrix: share of each true class, and the events or weights behind it.

    Args:
        name: unique on the page.
        matrix: [C, C], rows true, columns predicted.
        classes: names by class index.
        entries: what the matrix holds, e.g. ``events``.
    """
    table = np.asarray(matrix, dtype=np.float64)
    rows = table.sum(axis=1, keepdims=True)
    share = np.divide(table, rows, out=np.zeros_like(table), where=rows > 0.0)
    size = len(classes)
    height = max(4.8, 1.5 + 0.95 * size)

    def build(figure: Figure) -> None:
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        for row in range(size):
            for column in range(size):
                value = float(np.clip(share[row, column], 0.0, 1.0))
                axes.add_patch(
                    Rectangle((column, row), 1, 1, facecolor=(*_BLUE, 0.05 + 0.65 * value), edgecolor="none")
                )
                shown = f"{value:.1%}" if value == share[row, column] else "-"  # negative weights
                text = f"{shown}\n{count(table[row, column])}"
                font = 13.0 if size <= 3 else max(6.0, 13.0 - 1.1 * (size - 3))
                axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=font, color=INK)
        axes.set_xlim(0, size)
        axes.set_ylim(size, 0)
        ticks = np.arange(size) + 0.5
        names = [plain(label, 16) for label in classes]
        axes.set_xticks(ticks, names, rotation=0 if size <= 3 else 35, ha="center" if size <= 3 else "right")
        axes.set_yticks(ticks, names, rotation=90 if size <= 3 else 0, va="center")
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        axes.set_xlabel(f"Predicted class  ({entries})")
        axes.set_ylabel("True class")
        axes.set_aspect("equal")

    return draw_svg(name, build, max(6.2, height * 1.15), height)
