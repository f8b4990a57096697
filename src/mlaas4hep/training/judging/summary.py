"""The closing words of a training or an evaluation, as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlaas4hep.training.judging.text import count, exact, figure, figures_of, is_weighted, main_part, number, with_error

__all__ = ["render_summary"]


def render_summary(
    name: str,
    metrics: Mapping[str, Any],
    *,
    warnings: Sequence[str] = (),
    bundle: str | None = None,
    report: str | None = None,
) -> str:
    """Render the summary.

    Args:
        name: of the model.
        metrics: what `mlaas4hep.training.metrics.evaluate` returned.
        warnings: what the user was shown already; they are counted, not repeated.
        bundle: path of the model bundle.
        report: path of the report page.

    Returns:
        Lines without a newline at the end.
    """
    task = str(metrics["task"])
    parts: Mapping[str, Any] = metrics["parts"]
    weighted = is_weighted(parts)
    blocks = [f"{name}: {_task(task, metrics['classes'])}", _table(_event_rows(metrics, weighted))]
    shown = [part for part in ("validation", "test") if part in parts] or list(parts)
    blocks.append(_table(_figure_rows(task, parts, shown, weighted)))
    ams = metrics.get("ams")
    if ams:
        blocks.append(_ams_line(ams))
    undefined = [f"{_words(entry['what'])} is undefined: {entry['reason']}" for entry in _important(metrics)]
    notes = [f"warning: {sentence}" for sentence in undefined]
    if warnings:
        kept = "; the report keeps them" if report else ""
        notes.append(f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'} above{kept}")
    if notes:
        blocks.append("\n".join(notes))
    places = [f"{label}  {path}" for label, path in (("bundle", bundle), ("report", report)) if path]
    if places:
        blocks.append("\n".join(places))
    return "\n\n".join(blocks)


def _task(task: str, classes: Sequence[str]) -> str:
    if task == "binary":
        mark = "" if classes[1] == "signal" else " (signal)"
        return f"binary, {classes[1]}{mark} against {classes[0]}"
    return f"{task}, {len(classes)} classes" if classes else task


def _event_rows(metrics: Mapping[str, Any], weighted: bool) -> list[list[str]]:
    parts: Mapping[str, Any] = metrics["parts"]
    rows = [["events", *parts]]

    def cell(block: Mapping[str, Any]) -> str:
        return count(block["events"]) + (f" ({number(block['sum_of_weights'])})" if weighted else "")

    for index, label in enumerate(metrics["classes"]):
        mark = " (signal)" if metrics["task"] == "binary" and index == 1 and label != "signal" else ""
        rows.append([f"{label}{mark}", *(cell(part["classes"][label]) for part in parts.values())])
    rows.append(["all", *(cell(part) for part in parts.values())])
    if weighted:
        rows[0][0] = "events (weights)"
    return rows


def _figure_rows(task: str, parts: Mapping[str, Any], shown: Sequence[str], weighted: bool) -> list[list[str]]:
    kinds = ("unweighted", "weighted") if weighted else ("unweighted",)
    header = [f"{part}, {kind}" if weighted else part for part in shown for kind in kinds]
    rows = [["figure", *header]]
    for key, label in figures_of(task, parts):
        rows.append([label, *(figure(parts[part][kind], key) for part in shown for kind in kinds)])
    return rows


def _ams_line(ams: Mapping[str, Any]) -> str:
    if ams.get("threshold") is None:
        return f"AMS ({ams['evaluated_on']}): undefined"
    origin = "chosen on validation" if ams.get("chosen_on") == "validation" else "given"
    value = with_error(ams.get("value"), ams.get("error"))
    return f"AMS ({ams['evaluated_on']}): {value} at score >= {exact(ams['threshold'])}, {origin}"


def _words(path: str) -> str:
    """A key of the metrics as a person says it: ``parts.test.weighted.auc`` is the weighted AUC of test."""
    names = {"ams": "AMS", "auc": "AUC"}
    first, *rest = (names.get(key, key) for key in path.split("."))
    if first != "parts" or not rest:
        return " ".join((first, *rest))
    part, *figure = rest
    return f"{' '.join(figure) or 'a score'} of {part}"


def _important(metrics: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """What is undefined in the part that stands for the model, and lost scores in any part."""
    main = main_part(metrics["parts"])
    prefixes = ("ams.threshold", f"parts.{main}.weighted.auc")
    lost = {f"parts.{part}" for part in metrics["parts"]}
    return [
        entry for entry in metrics.get("undefined", []) if entry["what"] in lost or entry["what"].startswith(prefixes)
    ]


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
