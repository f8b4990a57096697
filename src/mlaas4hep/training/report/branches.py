"""The picture of one branch: as read, and as the model sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlaas4hep.training.report.style import class_colours, draw_png, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mlaas4hep.training.judging.histograms import Panel

__all__ = ["branch_png"]


def branch_png(
    name: str, classes: Sequence[str], before: Panel, after: Panel | None = None, normalisation: str = "none"
) -> bytes:
    """Return one panel, or both side by side, all classes overlaid, each normalised to 1.

    Args:
        name: of the branch.
        classes: names by class index.
        before: counts of the values as read.
        after: counts of the values as the model sees them, if there is a model.
        normalisation: name of the method.

    Returns:
        A PNG.
    """

    def build(figure: Figure) -> None:
        left, *others = figure.subplots(1, 2 if after else 1, squeeze=False)[0]
        _panel(left, before, classes)
        left.set_xlabel(plain(name, 40))
        left.set_ylabel("Share of values / bin")
        if after:
            _panel(others[0], after, classes)
            others[0].set_xlabel(f"{plain(name, 28)} (as the model sees it)")
            left.set_title("Before normalisation")
            others[0].set_title(f"After normalisation ({plain(normalisation)})")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(classes)))

    return draw_png(build, 11.0 if after else 5.8, 4.8)


def _panel(axes: Axes, panel: Panel, classes: Sequence[str]) -> None:
    import hist
    import mplhep

    peak = 0.0
    for index, (label, colour) in enumerate(zip(classes, class_colours(len(classes)), strict=True)):
        counts = panel.counts[index]
        histogram = hist.Hist(hist.axis.Variable(panel.edges, flow=False), storage=hist.storage.Double())
        histogram[...] = counts / max(int(counts.sum()), 1)
        peak = max(peak, float(histogram.values().max()))
        mplhep.histplot(
            histogram,
            ax=axes,
            label=plain(label),
            color=colour,
            histtype="step",
            flow="none",
            linewidth=1.8,
            yerr=False,
        )
    filled = panel.counts.sum(axis=0)
    filled = filled[filled > 0]
    if len(filled) and filled.max() > 50 * np.median(filled):
        axes.set_yscale("log")
        axes.set_ylim(None, peak * 3.0)
    else:
        axes.set_ylim(0.0, max(peak, 1e-9) * 1.15)
    axes.set_xlim(panel.edges[0], panel.edges[-1])
    missing = int(panel.outside[:, 2].sum())
    total = missing + int(panel.outside[:, :2].sum()) + int(panel.counts.sum())
    if missing:
        axes.text(
            0.97, 0.95, f"missing or padding: {missing / total:.1%}", ha="right", va="top", transform=axes.transAxes
        )
