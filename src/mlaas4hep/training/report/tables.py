"""Texts and tables of the report, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlaas4hep.training.judging.text import count, exact, figure, figures_of, main_part, number, with_error
from mlaas4hep.training.report.data import ReportData

__all__ = ["ClassRow", "Tile", "class_rows", "cutflow_rows", "figure_rows", "key_tiles", "part_rows"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure on top of the page."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Purity, efficiency, f1 and support of a class, as text."""

    name: str
    cells: tuple[str, ...]


def key_tiles(data: ReportData, weighted: bool) -> list[Tile]:
    """Return the figures by which the model is judged."""
    parts: Mapping[str, Any] = data.metrics.get("parts", {})
    main = main_part(parts)
    if main is None:
        return []
    kind = "weighted" if weighted else "unweighted"
    figures = parts[main][kind]
    where = f"{main}, weighted" if weighted else main
    tiles: list[Tile] = []
    if data.task == "regression":
        unit = f" {data.unit}" if data.unit else ""
        tiles += [
            Tile("RMSE", number(figures["rmse"]) + unit, where),
            Tile("Resolution", number(figures["resolution"]) + unit, f"half of 16-84 %, {where}"),
            Tile("Bias", number(figures["bias"]) + unit, where),
            Tile("R²", number(figures["r2"]), where),
        ]
    else:
        note = f"unweighted {number(parts[main]['unweighted']['auc'])}" if weighted else ""
        label = "ROC AUC" if data.task == "binary" else "ROC AUC, mean of classes"
        tiles.append(Tile(f"{label} ({main})", with_error(figures["auc"], figures.get("auc_error")), note))
        ams = data.metrics.get("ams")
        if ams:
            cut = f"score ≥ {exact(ams['threshold'])}" if ams.get("threshold") is not None else "no threshold"
            tiles.append(Tile(f"AMS ({ams['evaluated_on']})", with_error(ams.get("value"), ams.get("error")), cut))
        tiles.append(Tile("Accuracy", number(figures["accuracy"]), where))
        if data.task == "multiclass" and "loss" in figures:
            tiles.append(Tile("Log loss", number(figures["loss"]), where))
    events = sum(int(part["events"]) for part in parts.values())
    tiles.append(Tile("Events", f"{events:,}", ", ".join(f"{part['events']:,} {name}" for name, part in parts.items())))
    return tiles


def figure_rows(data: ReportData) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the name of a figure, and for each part its unweighted and weighted value."""
    parts: Mapping[str, Any] = data.metrics.get("parts", {})
    return [
        (
            name,
            [(figure(part["unweighted"], key), figure(part["weighted"], key)) for part in parts.values()],
        )
        for key, name in figures_of(data.task, parts)
    ]


def part_rows(data: ReportData) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the name of a class (or all), and for each part its events and sum of weights."""
    parts: Mapping[str, Any] = data.metrics.get("parts", {})
    rows = [
        (
            name,
            [
                (count(part["classes"][name]["events"]), count(part["classes"][name]["sum_of_weights"]))
                for part in parts.values()
            ],
        )
        for name in data.classes
        if data.task != "regression"
    ]
    everything = [(count(part["events"]), count(part["sum_of_weights"])) for part in parts.values()]
    return [*rows, ("All events", everything)] if parts else []


def class_rows(data: ReportData, main: str, weighted: bool) -> list[ClassRow]:
    """Return the classification report of the main part."""
    block = data.metrics["parts"][main]["weighted" if weighted else "unweighted"]
    per_class = block.get("auc_per_class") or {}
    ks: Mapping[str, Any] = data.metrics.get("ks") or {}
    rows = []
    for name in data.classes:
        figures = block["classes"][name]
        cells = [number(figures["purity"]), number(figures["efficiency"]), number(figures["f1"])]
        cells.append(count(figures["support"]))
        if per_class:
            cells.append(number(per_class[name]["auc"]))
        if ks:
            test = ks.get(name) or {}
            cells += [number(test.get("distance"), 3), number(test.get("p_value"), 3)]
        rows.append(ClassRow(name, tuple(cells)))
    return rows


def cutflow_rows(data: ReportData) -> list[tuple[str, str, str, str, list[tuple[str, str]]]]:
    """Cut, events, share of the first line, sum of weights, and events and weights for each file."""
    files = list(dict.fromkeys(name for row in data.cutflow for name in row.files))
    first = data.cutflow[0].events if data.cutflow else 0
    rows = []
    for row in data.cutflow:
        share = f"{row.events / first:.1%}" if first else "-"
        cells = [row.files.get(name) for name in files]
        per_file = [(count(cell[0]), count(cell[1])) if cell else ("-", "-") for cell in cells]
        rows.append((row.cut, count(row.events), share, count(row.weighted), per_file))
    return rows
