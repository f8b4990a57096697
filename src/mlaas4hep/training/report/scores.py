"""Distributions of the scores in train and test, class by class: where they differ, the model is overtrained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.judging.text import number
from mlaas4hep.training.metrics.parts import Scored
from mlaas4hep.training.report.style import INK, class_colours, draw_svg, legend, plain

if TYPE_CHECKING:
    import hist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["score_svgs"]

_MOST = 12


@dataclass(frozen=True, slots=True)
class _Group:
    """Events drawn in one colour: the true classes that belong to it."""

    label: str
    colour: str
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Axis:
    """The score on the horizontal axis."""

    column: int
    label: str
    low: float
    high: float
    bins: int


def score_svgs(
    parts: Mapping[str, Scored], main: str, classes: Sequence[str], ks: Mapping[str, Any], *, decision: bool = False
) -> list[tuple[str, str]]:
    """Return figures with the events of the main part filled and the training events as markers.

    Args:
        parts: events by name; markers are drawn if ``train`` is among them.
        main: name of the filled part.
        classes: names by class index.
        ks: class to ``{"distance", "p_value"}``; shown where there.
        decision: true if the scores are decision values, no probabilities.

    Returns:
        Pairs of caption and SVG. Binary: both classes, on a linear and a logarithmic scale. Multiclass: for the score
        of each class (at most 12) the events of that class and all others.
    """
    samples = {main: parts[main]} | ({"train": parts["train"]} if "train" in parts else {})
    colours = class_colours(len(classes))
    word = "Decision value for" if decision else "Score: probability of"
    if len(classes) == 2:
        groups = [_Group(plain(name, 24), colours[index], (index,)) for index, name in enumerate(classes)]
        text = "\n".join(line for line in (_ks_line(name, ks.get(name)) for name in classes) if line)
        axis = _axis(samples, main, 0, f"{word} {plain(classes[1])}")
        return [
            (f"Score distribution, {scale} scale", _figure(f"scores-{scale}", samples, main, axis, groups, text))
            for scale in ("linear", "logarithmic")
        ]
    figures = []
    for index, name in enumerate(classes[:_MOST]):
        others = tuple(other for other in range(len(classes)) if other != index)
        groups = [_Group("other classes", INK, others), _Group(plain(name, 24), colours[index], (index,))]
        axis = _axis(samples, main, index, f"{word} {plain(name)}")
        svg = _figure(f"scores-{index}", samples, main, axis, groups, _ks_line(name, ks.get(name)))
        figures.append((f"Score of class {name}", svg))
    return figures


def _ks_line(name: str, test: Mapping[str, Any] | None) -> str:
    if not test or test.get("distance") is None:
        return ""
    return f"KS {plain(name, 24)}: {number(test['distance'], 2)} (p = {number(test['p_value'], 2)})"


def _axis(samples: Mapping[str, Scored], main: str, column: int, label: str) -> _Axis:
    columns = [part.column(column) for part in samples.values()]
    low = min(float(found.low.min(initial=0.0)) for found in columns)
    high = max(float(found.high.max(initial=1.0)) for found in columns)
    return _Axis(column, label, low, high, 40 if len(samples[main]) >= 4000 else 25)


def _figure(
    name: str, samples: Mapping[str, Scored], main: str, axis: _Axis, groups: Sequence[_Group], text: str
) -> str:
    import mplhep

    def build(figure: Figure) -> None:
        axes = figure.subplots()
        peak, floor = 0.0, np.inf
        for group in groups:
            style: dict[str, Any] = {"ax": axes, "flow": "none", "color": group.colour}
            filled, _ = _density(samples[main], group, axis)
            if filled is not None:
                values = filled.values()
                label = f"{group.label} ({main})"
                mplhep.histplot(
                    filled,
                    histtype="fill",
                    alpha=0.12 if group.colour == INK else 0.3,
                    label=label,
                    yerr=False,
                    **style,
                )
                mplhep.histplot(filled, histtype="step", linewidth=1.4, yerr=False, **style)
                peak = max(peak, float(values.max()))
                floor = min(floor, float(values[values > 0].min(initial=np.inf)))
            markers, errors = _density(samples["train"], group, axis) if "train" in samples else (None, np.zeros(0))
            if markers is not None and main != "train":
                style |= {"markersize": 5, "linewidth": 1.2, "label": f"{group.label} (train)"}
                mplhep.histplot(markers, histtype="errorbar", yerr=errors, **style)
                peak = max(peak, float((markers.values() + errors).max()))
        _finish(axes, peak, floor if name.endswith("logarithmic") else np.inf, text)
        axes.set_xlim(axis.low, axis.high)
        axes.set_xlabel(axis.label)
        axes.set_ylabel("Probability density")

    return draw_svg(name, build)


def _finish(axes: Axes, peak: float, floor: float, text: str) -> None:
    """Room for the legend above the highest value; a logarithmic scale if there is a lowest value."""
    rows = 2 + (text.count("\n") + 1 if text else 0)
    if np.isfinite(floor):
        axes.set_yscale("log")
        bottom = max(floor * 0.5, peak * 1e-6)
        axes.set_ylim(bottom, peak * (peak / bottom) ** (0.14 * rows))
    else:
        axes.set_ylim(0.0, max(peak, 1e-9) * (1.0 + 0.12 * rows))
    legend(axes, loc="upper center", ncols=2, columnspacing=1.2, title=text or None)


def _density(part: Scored, group: _Group, axis: _Axis) -> tuple[hist.Hist[Any] | None, NDArray[np.float64]]:
    """Histogram with unit area, and its errors; None where the weights do not sum to more than 0."""
    import hist

    column = part.column(axis.column)
    column = column.where(np.isin(column.y, group.members))
    edges = np.linspace(axis.low, axis.high, axis.bins + 1)
    values, squares = (
        np.histogram(column.score, edges, weights=weight)[0] for weight in (column.weight, column.squares)
    )
    total = float(values.sum())
    if not total > 0.0:
        return None, np.zeros(axis.bins)
    factor = axis.bins / (axis.high - axis.low) / total
    density = hist.Hist(hist.axis.Regular(axis.bins, axis.low, axis.high, flow=False), storage=hist.storage.Weight())
    density[...] = np.stack([values * factor, squares * factor**2], axis=-1)
    return density, np.asarray(np.sqrt(squares) * factor, dtype=np.float64)
