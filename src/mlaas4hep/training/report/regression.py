"""Figures of a regression: predicted against true values, and the residuals."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.judging.text import number
from mlaas4hep.training.metrics.parts import Scored
from mlaas4hep.training.metrics.regression import weighted_quantile
from mlaas4hep.training.report.style import INK, MUTED, draw_svg, legend, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["predicted_svg", "residual_profile_svg", "residual_svg"]

_BLUE, _RED = "#5790fc", "#e42536"


def _with_unit(text: str, unit: str) -> str:
    return f"{text} [{plain(unit)}]" if unit else text


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """From the 0.5 % to the 99.5 % quantile, a little widened."""
    if not len(values):
        return 0.0, 1.0
    low, high = (float(value) for value in np.quantile(values, [0.005, 0.995]))
    margin = 0.05 * (high - low) if high > low else 0.5
    return low - margin, high + margin


def predicted_svg(part: Scored, main: str, target: str, unit: str) -> str:
    """Density of predicted against true values."""
    part = part.rows
    true, predicted = part.y.astype(np.float64), part.scores.reshape(-1).astype(np.float64)
    low, high = _range(np.concatenate([true, predicted]))

    def build(figure: Figure) -> None:
        import hist

        axes = figure.subplots()
        bins = 50
        plane = hist.Hist(
            hist.axis.Regular(bins, low, high, flow=False),
            hist.axis.Regular(bins, low, high, flow=False),
            storage=hist.storage.Double(),
        )
        plane.fill(true, predicted, weight=np.abs(part.weight))
        values = plane.values()
        strength = np.sqrt(np.clip(values, 0.0, None) / max(float(values.max(initial=0.0)), 1e-300))
        colours = np.zeros((bins, bins, 4))
        colours[..., :3] = np.array([0x57, 0x90, 0xFC]) / 255
        colours[..., 3] = np.where(values > 0.0, 0.08 + 0.92 * strength, 0.0).round(3)
        axes.imshow(
            colours.transpose(1, 0, 2),
            extent=(low, high, low, high),
            origin="lower",
            aspect="auto",
            interpolation="nearest",
        )
        axes.plot([low, high], [low, high], color=INK, linestyle="--", linewidth=1.0, label="predicted = true")
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_xlabel(_with_unit(f"True {plain(target)}", unit))
        axes.set_ylabel(_with_unit(f"Predicted {plain(target)}", unit))
        legend(axes, loc="upper left", title=plain(main), alignment="left")

    return draw_svg("predicted", build)


def residual_svg(parts: Mapping[str, Scored], main: str, target: str, unit: str, ks: Mapping[str, Any]) -> str:
    """Distribution of the residuals, training events as markers."""
    low, high = _range(parts[main].rows.residuals().score)

    def build(figure: Figure) -> None:
        import mplhep

        axes = figure.subplots()
        peak = 0.0
        for name, style in ((main, {"histtype": "fill", "alpha": 0.35}), ("train", {"histtype": "errorbar"})):
            if name not in parts or (name == "train" and main == "train" and style["histtype"] == "errorbar"):
                continue
            column = parts[name].residuals()
            edges = np.linspace(low, high, 51)
            total = float(column.weight.sum())
            if not total > 0.0:
                continue
            factor = 50 / (high - low) / total
            values = np.histogram(column.score, edges, weights=column.weight)[0] * factor
            errors = np.sqrt(np.histogram(column.score, edges, weights=column.squares)[0]) * factor
            peak = max(peak, float((values + errors).max()))
            marker = {"yerr": errors, "markersize": 5} if style["histtype"] == "errorbar" else {"yerr": False}
            colour = _BLUE if name == main else _RED
            mplhep.histplot((values, edges), ax=axes, flow="none", color=colour, label=plain(name), **style, **marker)
        axes.axvline(0.0, ymax=0.78, color=MUTED, linestyle=":", linewidth=1.2)
        test = ks.get("residual") or {}
        text = ""
        if test.get("distance") is not None:
            text = f"KS {number(test['distance'], 2)} (p = {number(test['p_value'], 2)})"
        axes.set_xlim(low, high)
        axes.set_ylim(0.0, max(peak, 1e-9) * 1.35)
        axes.set_xlabel(_with_unit(f"Predicted - true {plain(target)}", unit))
        axes.set_ylabel(_with_unit("Probability density", f"1/{unit}" if unit else ""))
        legend(axes, loc="upper left", title=text or None, alignment="left")

    return draw_svg("residuals", build)


def residual_profile_svg(part: Scored, main: str, target: str, unit: str) -> str:
    """Bias and resolution of the residual in bins of the true value."""
    part = part.rows
    true = part.y.astype(np.float64)
    residual = part.scores.reshape(-1).astype(np.float64) - true
    low, high = _range(true)
    edges = np.linspace(low, high, 13)

    def build(figure: Figure) -> None:
        axes = figure.subplots()
        rows = []
        for left, right in pairwise(edges):
            keep = (true >= left) & (true < right)
            if keep.sum() >= 5:
                rows.append(
                    ((left + right) / 2, *weighted_quantile(residual[keep], [0.16, 0.5, 0.84], part.weight[keep]))
                )
        table = np.array([row for row in rows if np.isfinite(row).all()]).reshape(-1, 4)
        axes.axhline(0.0, color=MUTED, linestyle=":", linewidth=1.2)
        axes.fill_between(table[:, 0], table[:, 1], table[:, 3], color=_BLUE, alpha=0.3, label="16-84 % of the events")
        axes.plot(table[:, 0], table[:, 2], "o-", color=_RED, markersize=5, label="median")
        axes.set_xlim(low, high)
        axes.set_xlabel(_with_unit(f"True {plain(target)}", unit))
        axes.set_ylabel(_with_unit(f"Predicted - true {plain(target)}", unit))
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top + 0.3 * (top - bottom))
        legend(axes, loc="upper right", title=plain(main), alignment="left")

    return draw_svg("residual-profile", build)
