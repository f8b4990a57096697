"""The page itself: figures and tables put into the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from mlaas4hep.training.judging.text import count, exact, is_weighted, main_part, number, short
from mlaas4hep.training.metrics.parts import Scored
from mlaas4hep.training.report import binary, general, multiclass, regression, tables
from mlaas4hep.training.report.data import ReportData
from mlaas4hep.training.report.inputs import correlation_svg, inputs_svg
from mlaas4hep.training.report.scores import score_svgs

if TYPE_CHECKING:
    import jinja2

__all__ = ["render_report"]


@dataclass(frozen=True, slots=True)
class _Picture:
    caption: str
    svg: str


def render_report(report: ReportData) -> str:
    """Render one self-contained HTML page: no scripts, no links to other files, light and dark.

    The same input gives the same text, byte for byte: there is no date, duration or host name in it. Matplotlib's
    settings are changed while a figure is drawn, so this must not run in two threads at the same time.

    Args:
        report: what is to be shown; empty pieces are left out.

    Returns:
        The HTML text.
    """
    parts = {name: usable for name, part in report.parts.items() if len(usable := part.finite())}
    main = main_part(parts)
    weighted = is_weighted(report.parts) if report.parts else is_weighted(report.metrics.get("parts", {}))
    measured = main_part(report.metrics.get("parts", {}))
    quality: list[_Picture] = []
    scores: list[_Picture] = []
    if main is not None:
        quality, scores = _pictures(report, parts, main, weighted)
    confusion = _confusion(report, measured, weighted) if report.shows_classes else []
    named = [row for row in report.importance if row.get("importance") is not None]
    label = general.IMPORTANCE_LABELS[report.task]
    return _template().render(
        data=report,
        weighted=weighted,
        main=measured,
        tiles=tables.key_tiles(report, weighted),
        parts=list(report.metrics.get("parts", {})),
        undefined=report.metrics.get("undefined", []),
        figures=tables.figure_rows(report),
        events=tables.part_rows(report),
        classes=tables.class_rows(report, measured, weighted) if measured and report.shows_classes else [],
        per_class=report.task == "multiclass",
        ks=report.metrics.get("ks") or {},
        ams=report.metrics.get("ams"),
        quality=quality + (confusion if report.task == "multiclass" else []),
        scores=scores,
        confusion=confusion if report.task == "binary" else [],
        importance=general.importance_svg(named, label) if named else "",
        importance_label=label,
        importance_rows=named,
        inputs=inputs_svg(report.inputs, report.classes) if report.inputs is not None else "",
        correlations=_correlations(report),
        learning=[_Picture(caption, svg) for caption, svg in general.learning_svgs(report.curves, report.step)],
        cutflow=tables.cutflow_rows(report),
        cutflow_files=list(dict.fromkeys(name for row in report.cutflow for name in row.files)),
    )


def _pictures(
    report: ReportData, parts: dict[str, Scored], main: str, weighted: bool
) -> tuple[list[_Picture], list[_Picture]]:
    """Figures of the quality, and of the scores."""
    part = parts[main]
    ks = report.metrics.get("ks") or {}
    if report.task == "regression":
        pictures = [
            _Picture("Predicted against true values", regression.predicted_svg(part, main, report.target, report.unit)),
            _Picture("Residuals", regression.residual_svg(parts, main, report.target, report.unit, ks)),
            _Picture("Bias and resolution", regression.residual_profile_svg(part, main, report.target, report.unit)),
        ]
        return pictures, []
    decision = report.metrics.get("output") == "decision"
    svgs = score_svgs(parts, main, report.classes, ks, decision=decision)
    scores = [_Picture(caption, svg) for caption, svg in svgs]
    if report.task == "multiclass":
        roc = multiclass.one_vs_rest_svg(part, main, report.classes, weighted)
        return [_Picture("ROC, each class against all others", roc)], scores
    ams = report.metrics.get("ams") or {}
    threshold = ams.get("threshold")
    background, signal = report.classes
    quality = [
        _Picture("ROC curve", binary.roc_svg(parts, main, signal, background, weighted)),
        _Picture("Purity against efficiency", binary.efficiency_purity_svg(part, main, weighted, threshold)),
        _Picture("Efficiency and purity against the threshold", binary.threshold_svg(part, main, weighted, threshold)),
    ]
    if ams.get("totals"):
        quality.append(_Picture("AMS against the threshold", binary.ams_svg(parts, main, ams)))
    of_samples = binary.roc_of_samples_svg(report.samples, main, signal, weighted)
    if of_samples:
        quality.insert(1, _Picture("ROC curve against each background sample", of_samples))
    return quality, scores


def _correlations(report: ReportData) -> list[_Picture]:
    """Of signal and background, or of all events together."""
    inputs = report.inputs
    if inputs is None or len(inputs.names) < 2:
        return []
    if report.task != "binary":
        return [_Picture("Correlation in per cent", correlation_svg("correlation", inputs, np.isfinite(inputs.weight)))]
    return [
        _Picture(f"Correlation in per cent, {name}", correlation_svg(f"correlation-{k}", inputs, inputs.y == k))
        for k, name in enumerate(report.classes)
    ]


def _confusion(report: ReportData, main: str | None, weighted: bool) -> list[_Picture]:
    if main is None or report.task == "regression":
        return []
    kinds: Sequence[tuple[str, str]] = [("unweighted", "events")]
    if weighted:
        kinds = [("weighted", "sums of weights"), *kinds]
    block = report.metrics["parts"][main]
    return [
        _Picture(
            f"Confusion matrix, {kind}",
            multiclass.confusion_svg(f"confusion-{kind}", block[kind]["confusion"], report.classes, entries),
        )
        for kind, entries in kinds
    ]


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    environment.filters["count"] = count
    environment.filters["short"] = short
    environment.filters["exact"] = exact
    source = files("mlaas4hep.training.report").joinpath("template.html").read_text(encoding="utf-8")
    return environment.from_string(source)
