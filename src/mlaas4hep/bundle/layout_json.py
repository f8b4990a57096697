"""The feature layout as JSON and back, without the loss of a single bit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np

from mlaas4hep.errors import BundleError
from mlaas4hep.features.layout import FeatureBranch, Layout

__all__ = ["layout_from_json", "layout_to_json"]

NUMBERS = ("offset", "scale", "floor", "fill")
TEXT = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def layout_to_json(layout: Layout) -> dict[str, Any]:
    """Return the layout as plain JSON values.

    Offset, scale, floor and fill are written as the float32 values they stand for, the origin as a float64 value; what
    JSON has no number for is written as ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``.

    Example:
        >>> layout_to_json(Layout((FeatureBranch("pt", "flat", 1, 0.0, 1.0, 0.0, -1.0),)))["branches"][0]["fill"]
        -1.0
    """
    return {
        "branches": [
            {"name": branch.name, "kind": branch.kind, "length": branch.length, "origin": branch.origin}
            | {number: _to_json(np.float32(getattr(branch, number))) for number in NUMBERS}
            for branch in layout.branches
        ],
        "missing": [_to_json(value) for value in layout.missing],
        "nan": layout.nan,
        "mask": layout.mask,
        "normalisation": layout.normalisation,
    }


def layout_from_json(data: Mapping[str, Any]) -> Layout:
    """Return the layout that `layout_to_json` wrote.

    Raises:
        BundleError: a key is missing or a value is not what it should be.
    """
    try:
        return Layout(
            branches=tuple(_branch(entry) for entry in data["branches"]),
            missing=tuple(_from_json(value) for value in data["missing"]),
            nan=bool(data["nan"]),
            mask=bool(data["mask"]),
            normalisation=str(data["normalisation"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        what = f"the feature layout is not valid ({type(error).__name__}: {error})"
        raise BundleError(what) from error


def _branch(entry: Mapping[str, Any]) -> FeatureBranch:
    kind, length = entry["kind"], int(entry["length"])
    if kind not in {"flat", "jagged"} or length < 1 or (kind == "flat" and length != 1):
        msg = f"branch {entry['name']} of kind {kind} and length {length}"
        raise ValueError(msg)
    offset, scale, floor, fill = (_from_json(entry[number]) for number in NUMBERS)
    origin = _from_json(entry.get("origin", 0.0))
    if not math.isfinite(origin):
        msg = f"branch {entry['name']} with the origin {origin}"
        raise ValueError(msg)
    return FeatureBranch(
        str(entry["name"]), cast("Literal['flat', 'jagged']", kind), length, offset, scale, floor, fill, origin
    )


def _to_json(value: float | np.float32) -> float | str:
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _from_json(value: object) -> float:
    if isinstance(value, str):
        return TEXT[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"{value!r} is not a number"
        raise TypeError(msg)
    return float(value)
