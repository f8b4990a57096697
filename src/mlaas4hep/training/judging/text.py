"""Numbers as people read them, the same in the report and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from mlaas4hep.training.metrics.parts import Grouped, Part, Scored

__all__ = [
    "FIGURES",
    "count",
    "exact",
    "figure",
    "figures_of",
    "is_weighted",
    "main_part",
    "number",
    "short",
    "with_error",
]

FIGURES: dict[str, tuple[tuple[str, str], ...]] = {
    "binary": (("auc", "ROC AUC"), ("accuracy", "Accuracy"), ("loss", "Log loss")),
    "multiclass": (("auc", "ROC AUC (macro)"), ("accuracy", "Accuracy"), ("loss", "Log loss")),
    "regression": (
        ("rmse", "RMSE"),
        ("mae", "MAE"),
        ("mse", "MSE"),
        ("r2", "R²"),
        ("bias", "Bias"),
        ("resolution", "Resolution"),
    ),
}
"""Figures of each task with their names, in the order they are shown."""


def figures_of(task: str, parts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the figures of a task that there are: decision values have no log loss."""
    there = {key for part in parts.values() for kind in ("unweighted", "weighted") for key in part.get(kind, {})}
    return [(key, name) for key, name in FIGURES[task] if key in there]


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with some significant digits; a dash for None or not a number.

    Example:
        >>> number(0.123456), number(1234567.0), number(None)
        ('0.1235', '1,234,567', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-3 <= size < 10**digits:
        decimals = max(0, digits - 1 - math.floor(math.log10(size)))
        return f"{value:,.{decimals}f}"
    if 10**digits <= size < 1e9:
        return f"{value:,.0f}"
    return f"{value:.{digits - 1}e}"


def count(value: float | None) -> str:
    """Return a number of events: whole where it is, with separators of thousands."""
    if value is not None and math.isfinite(value) and value == round(value) and abs(value) < 1e15:
        return f"{round(value):,}"
    return number(value)


def short(value: float | None) -> str:
    """Return a number a person chose or reads as a mark, without zeros at the end.

    Example:
        >>> short(0.5), short(10.0)
        ('0.5', '10')
    """
    return "-" if value is None else f"{value:.4g}"


def exact(value: float | None) -> str:
    """Return a threshold with all the digits that decide which events it selects.

    Example:
        >>> exact(0.73125), exact(0.5), exact(1.0)
        ('0.73125', '0.5', '1')
    """
    return "-" if value is None else repr(float(value)).removesuffix(".0")


def with_error(value: float | None, error: float | None) -> str:
    """Return a value and its error, both to two digits of the error.

    Example:
        >>> with_error(3.14159, 0.0234)
        '3.142 ± 0.023'
    """
    if value is None or error is None or not error > 0.0 or not math.isfinite(value) or not math.isfinite(error):
        return number(value, 3)
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}" if decimals < 8 else f"{value:.3e} ± {error:.1e}"


def figure(block: Mapping[str, Any], key: str) -> str:
    """Return a figure of a block of metrics, with its error where it has one.

    Example:
        >>> figure({"auc": 0.8764, "auc_error": 0.0101}, "auc"), figure({"loss": 0.5}, "loss")
        ('0.876 ± 0.010', '0.5000')
    """
    error = block.get(f"{key}_error")
    return number(block.get(key)) if error is None else with_error(block.get(key), error)


def main_part(names: Iterable[str]) -> str | None:
    """Return the part whose figures stand for the model: test, else data, else the last one."""
    known = list(names)
    return next((name for name in ("test", "data") if name in known), known[-1] if known else None)


def is_weighted(source: Mapping[str, Scored] | Mapping[str, Any]) -> bool:
    """Return true if any event has another weight than 1.

    Args:
        source: the parts, or the block ``parts`` of the metrics, which shows it by sums that differ from the numbers.
    """
    for part in source.values():
        if isinstance(part, Part | Grouped):
            if part.weighted:
                return True
        elif part.get("sum_of_weights") != part.get("events"):
            return True
    return False
