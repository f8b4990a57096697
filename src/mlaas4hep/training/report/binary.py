"""Figures of a binary task: ROC, efficiency and purity, AMS, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlaas4hep.training.judging.text import exact, number, short, with_error
from mlaas4hep.training.metrics import ams
from mlaas4hep.training.metrics.auc_error import auc_error
from mlaas4hep.training.metrics.curves import Roc, efficiency_purity, roc_curve
from mlaas4hep.training.metrics.parts import Column, Scored
from mlaas4hep.training.metrics.ranges import within
from mlaas4hep.training.report.style import INK, MUTED, class_colours, draw_svg, legend, plain, thin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ams_svg", "efficiency_purity_svg", "roc_of_samples_svg", "roc_svg", "threshold_svg"]

_BLUE, _ORANGE, _RED, _PURPLE = "#5790fc", "#f89c20", "#e42536", "#964a8b"


def roc_svg(parts: Mapping[str, Scored], main: str, signal: str, background: str, weighted: bool) -> str:
    """ROC curves of the main part (weighted and, if weights differ, unweighted) and of the training events."""
    curves: list[tuple[str, Roc, dict[str, Any]]] = []
    column = parts[main].column()
    kind = f"{main}, weighted" if weighted else main
    curves.append((kind, roc_curve(column.y, column.score, column.weight), {"color": _RED}))
    if weighted:
        plainly = roc_curve(column.y, column.score, column.count)
        curves.append((f"{main}, unweighted", plainly, {"color": _BLUE, "linestyle": "--"}))
    if main != "train" and "train" in parts:
        train = parts["train"].column()
        label = "train, weighted" if weighted else "train"
        style = {"color": MUTED, "linewidth": 1.2}
        curves.append((label, roc_curve(train.y, train.score, train.weight), style))

    def build(figure: Figure) -> None:
        axes = figure.subplots()
        for label, roc, style in curves:
            if np.isfinite(within("auc", roc.area)):
                index = thin(roc.fpr, roc.tpr)
                axes.plot(roc.fpr[index], roc.tpr[index], label=f"{plain(label)}: AUC {number(roc.area)}", **style)
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.0)
        axes.set_xlabel(f"False positive rate ({plain(background, 20)})")
        axes.set_ylabel(f"True positive rate ({plain(signal, 20)})")
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, 1.03)
        legend(axes, loc="lower right")

    return draw_svg("roc", build)


def roc_of_samples_svg(samples: Mapping[str, Scored], main: str, signal: str, weighted: bool, most: int = 10) -> str:
    """ROC curve of the signal against each background sample; empty with fewer than two of them.

    Args:
        samples: events of the main part by sample.
        main: name of the part.
        signal: name of the signal class.
        weighted: true if there are weights.
        most: number of samples at most: those with the most events.
    """
    columns = {name: sample.finite().column() for name, sample in samples.items()}
    backgrounds = {name: column.where(column.y == 0) for name, column in columns.items()}
    backgrounds = {name: column for name, column in backgrounds.items() if len(column.y)}
    if len(backgrounds) < 2:
        return ""
    signals = Column.join([column.where(column.y == 1) for column in columns.values()])
    largest = sorted(backgrounds, key=lambda name: -backgrounds[name].count.sum())[:most]
    names = [name for name in backgrounds if name in largest]

    def build(figure: Figure) -> None:
        axes = figure.subplots()
        for name, colour in zip(names, class_colours(max(3, len(names))), strict=False):
            column = Column.join([signals, backgrounds[name]])
            roc = roc_curve(column.y, column.score, column.weight)
            if np.isfinite(within("auc", roc.area)):
                index = thin(roc.fpr, roc.tpr)
                label = f"{plain(name)}: AUC {with_error(roc.area, auc_error(column))}"
                axes.plot(roc.fpr[index], roc.tpr[index], color=colour, label=label)
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.0)
        axes.set_xlabel("False positive rate (the sample)")
        axes.set_ylabel(f"True positive rate ({plain(signal, 20)})")
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, 1.03)
        legend(axes, loc="lower right", title=f"{main}, weighted" if weighted else main, alignment="left")

    return draw_svg("roc-samples", build)


def efficiency_purity_svg(part: Scored, main: str, weighted: bool, threshold: float | None) -> str:
    """Purity against efficiency, with the chosen threshold marked."""
    column = part.column()
    curves = [("weighted" if weighted else main, column.weight, _RED, "-")]
    if weighted:
        curves.append(("unweighted", column.count, _BLUE, "--"))

    def build(figure: Figure) -> None:
        axes = figure.subplots()
        for label, weight, colour, style in curves:
            curve = efficiency_purity(column.y, column.score, weight)
            index = thin(curve.efficiency, curve.purity)
            axes.plot(
                curve.efficiency[index],
                curve.purity[index],
                color=colour,
                linestyle=style,
                label=f"{main}, {label}" if weighted else main,
            )
            if threshold is not None and (curve.thresholds >= threshold).any():
                at = int(np.argmax(curve.thresholds >= threshold))
                axes.plot(curve.efficiency[at], curve.purity[at], "o", color=colour, markersize=7)
        if threshold is not None:
            axes.plot([], [], "o", color=MUTED, markersize=7, label=f"AMS threshold, score ≥ {exact(threshold)}")
        axes.set_xlabel("Signal efficiency")
        axes.set_ylabel("Signal purity")
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, 1.3)
        axes.set_yticks(np.linspace(0.0, 1.0, 6))
        legend(axes, loc="upper right")

    return draw_svg("efficiency-purity", build)


def threshold_svg(part: Scored, main: str, weighted: bool, threshold: float | None) -> str:
    """Efficiency of both classes and purity of the selection against the threshold."""
    column = part.column()

    def build(figure: Figure) -> None:
        axes = figure.subplots()
        curve = efficiency_purity(column.y, column.score, column.weight)
        background = efficiency_purity(1 - column.y, column.score, column.weight)
        for label, values, colour, style in (
            ("signal efficiency", curve.efficiency, _RED, "-"),
            ("background efficiency", background.efficiency, _BLUE, "--"),
            ("signal purity", curve.purity, _PURPLE, "-."),
        ):
            index = thin(curve.thresholds, values)
            axes.plot(curve.thresholds[index], values[index], color=colour, linestyle=style, label=label)
        _mark(axes, threshold)
        axes.set_xlabel("Threshold on the score")
        axes.set_ylabel(f"Share ({main}, weighted)" if weighted else f"Share ({main})")
        axes.set_ylim(0.0, 1.4)
        axes.set_yticks(np.linspace(0.0, 1.0, 6))
        _score_limits(axes, [part])
        legend(axes, loc="upper left", ncols=2, columnspacing=1.0)

    return draw_svg("threshold", build)


def ams_svg(parts: Mapping[str, Scored], main: str, block: Mapping[str, Any]) -> str:
    """AMS against the threshold, on the events it was chosen on and on the main part."""
    totals: Sequence[float] = block["totals"]
    names = [name for name in ("validation", main) if name in parts]

    def build(figure: Figure) -> None:
        axes = figure.subplots()
        top = 0.0
        for name, colour, style in zip(dict.fromkeys(names), (_BLUE, _RED), ("--", "-"), strict=False):
            column = parts[name].column()
            scale = ams.class_scales(column.y, column.weight, totals)
            thresholds, values = ams.scan(column.y, column.score, column.weight, scale=scale)
            index = thin(thresholds, values, 800)
            axes.plot(thresholds[index], values[index], color=colour, linestyle=style, linewidth=1.4, label=plain(name))
            top = max(top, float(values[index].max(initial=0.0)))
        threshold = block.get("threshold")
        _mark(axes, threshold)
        if block.get("value") is not None and threshold is not None:
            axes.errorbar(
                [threshold],
                [block["value"]],
                yerr=[block.get("error") or 0.0],
                fmt="o",
                color=INK,
                capsize=3,
                zorder=5,
                label=f"{main} at the chosen threshold",
            )
            top = max(top, block["value"] + (block.get("error") or 0.0))
        axes.set_xlabel("Threshold on the score")
        axes.set_ylabel(rf"AMS  ($b_r$ = {short(block.get('b_r'))} events)")
        axes.set_ylim(0.0, 1.35 * top if top > 0.0 else 1.0)
        _score_limits(axes, [parts[name] for name in names])
        legend(axes, loc="upper left")

    return draw_svg("ams", build)


def _mark(axes: Axes, threshold: float | None) -> None:
    if threshold is not None:
        axes.axvline(threshold, ymax=0.72, color=MUTED, linestyle=":", linewidth=1.4)


def _score_limits(axes: Axes, parts: Sequence[Scored]) -> None:
    scores = np.concatenate([part.column().score for part in parts])
    low, high = float(scores.min(initial=0.0)), float(scores.max(initial=1.0))
    axes.set_xlim(low, high)
