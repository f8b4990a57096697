"""The range of every figure: what lies outside means nothing, whatever the formula gives, and is not shown."""

from __future__ import annotations

import math

__all__ = ["outside", "within"]

_ROUNDING = 1e-9
_INFINITE = math.inf

_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("auc", "accuracy", "purity", "efficiency", "f1", "distance", "p_value"), (0.0, 1.0)),
    **dict.fromkeys(("loss", "mse", "mae", "rmse", "resolution"), (0.0, _INFINITE)),
    **dict.fromkeys(("value", "chosen_value", "error", "auc_error"), (0.0, _INFINITE)),
    "r2": (-_INFINITE, 1.0),
}
"""Smallest and largest value by the name of the figure; a figure that is not here may have any value."""


def within(name: str, value: float) -> float:
    """Return a figure, moved to the end of its range where rounding led past it; NaN where it lies outside.

    Example:
        >>> within("auc", 0.75), within("auc", 1.0 + 1e-15), within("auc", 1.378)
        (0.75, 1.0, nan)
    """
    low, high = _RANGES.get(name, (-_INFINITE, _INFINITE))
    if low - _ROUNDING <= value <= high + _ROUNDING:
        return min(max(value, low), high)
    return math.nan


def outside(name: str, value: float) -> str:
    """Say why a finite value is not shown, e.g. ``it came out as 1.378, outside 0 to 1: ...``; empty if it may be."""
    if not math.isfinite(value) or math.isfinite(within(name, value)):
        return ""
    low, high = _RANGES[name]
    allowed = f"outside {low:g} to {high:g}" if math.isfinite(low) and math.isfinite(high) else _half(low, high)
    return f"it came out as {value:.4g}, {allowed}: too much of the weight is negative for it to mean anything"


def _half(low: float, high: float) -> str:
    return f"below {low:g}" if math.isfinite(low) else f"above {high:g}"
