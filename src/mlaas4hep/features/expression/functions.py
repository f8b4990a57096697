"""The functions an expression may call: their names, numbers of arguments and implementations.

Element functions take numbers (float64 arrays or Python numbers) and return one value an element. Reducers take one
list an event and return one number an event. Both are tables, so that the documentation is generated from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.columns import Jagged

__all__ = ["CONSTANTS", "FUNCTIONS", "REDUCERS", "Function", "Reducer", "reference", "truth"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the elements.

    Attributes:
        arguments: names of the arguments.
        apply: implementation on float64 (conditions: bool) arrays that broadcast, or on Python numbers.
        doc: one line for the documentation.
        conditions: indices of the arguments that are asked whether they are true; all others are numbers.
        numpy: true if the function may also be written ``np.name``.
    """

    arguments: tuple[str, ...]
    apply: Callable[..., Any]
    doc: str
    conditions: tuple[int, ...] = ()
    numpy: bool = True


@dataclass(frozen=True, slots=True)
class Reducer:
    """A function of each event's list.

    Attributes:
        apply: implementation on a packed `Jagged` of float64 (`condition`: bool) to an array [events].
        empty: what an empty list gives, for the documentation.
        condition: true if the elements are asked whether they are true.
        elementwise: the function to use for several arguments instead, for the error message.
    """

    apply: Callable[[Jagged], Array]
    doc: str
    empty: str
    condition: bool = False
    elementwise: str | None = None
    numpy: bool = True


def truth(values: Any) -> Any:
    """Return whether each value is true: not zero and not NaN.

    Args:
        values: a number or an array of any numeric or boolean dtype.

    Returns:
        bool or a bool array of the same shape.
    """
    if isinstance(values, bool | np.bool_) or getattr(values, "dtype", None) == np.bool_:
        return values
    return (values != 0) & (values == values)  # noqa: PLR0124 - false for NaN


def _sum(lists: Jagged) -> Array:
    # From left to right, so that the result depends on nothing but the list itself.
    events = np.repeat(np.arange(len(lists)), lists.counts)
    return np.bincount(events, weights=lists.content, minlength=len(lists))


def _mean(lists: Jagged) -> Array:
    return _sum(lists) / lists.counts


def _extreme(ufunc: np.ufunc) -> Callable[[Jagged], Array]:
    def apply(lists: Jagged) -> Array:
        result = np.full(len(lists), np.nan)
        filled = np.flatnonzero(lists.counts)
        if len(filled):
            result[filled] = ufunc.reduceat(lists.content, lists.offsets[filled])
        return result

    return apply


def _count_true(lists: Jagged) -> Array:
    sums = np.zeros(len(lists.content) + 1, dtype=np.int64)
    np.cumsum(lists.content, out=sums[1:])
    return np.diff(sums[lists.offsets])


def _any(lists: Jagged) -> Array:
    return _count_true(lists) > 0


def _all(lists: Jagged) -> Array:
    true: Array = _count_true(lists) == lists.counts
    return true


def _len(lists: Jagged) -> Array:
    return lists.counts


def _clip(x: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(x, low), high)


def _fill(x: Any, value: Any) -> Any:
    return np.where(np.isnan(x), value, x)


REDUCERS: dict[str, Reducer] = {
    "sum": Reducer(_sum, "sum of the elements, added from left to right", "0"),
    "max": Reducer(_extreme(np.maximum), "largest element", "NaN", elementwise="maximum"),
    "min": Reducer(_extreme(np.minimum), "smallest element", "NaN", elementwise="minimum"),
    "mean": Reducer(_mean, "arithmetic mean", "NaN"),
    "any": Reducer(_any, "whether any element is true", "false", condition=True),
    "all": Reducer(_all, "whether all elements are true", "true", condition=True),
    "len": Reducer(_len, "number of elements", "0", numpy=False),
}

_X = ("x",)
_XY = ("x", "y")

FUNCTIONS: dict[str, Function] = {
    "log": Function(_X, np.log, "natural logarithm"),
    "log10": Function(_X, np.log10, "logarithm to base 10"),
    "log2": Function(_X, np.log2, "logarithm to base 2"),
    "log1p": Function(_X, np.log1p, "log(1 + x), precise for small x"),
    "exp": Function(_X, np.exp, "exponential"),
    "expm1": Function(_X, np.expm1, "exp(x) - 1, precise for small x"),
    "sqrt": Function(_X, np.sqrt, "square root"),
    "cbrt": Function(_X, np.cbrt, "cube root"),
    "abs": Function(_X, np.abs, "absolute value"),
    "fabs": Function(_X, np.fabs, "absolute value"),
    "sign": Function(_X, np.sign, "-1, 0 or 1"),
    "floor": Function(_X, np.floor, "largest integer not above x"),
    "ceil": Function(_X, np.ceil, "smallest integer not below x"),
    "rint": Function(_X, np.rint, "nearest integer, halves to the even one"),
    "round": Function(_X, np.rint, "nearest integer, halves to the even one"),
    "sin": Function(_X, np.sin, "sine of x in radians"),
    "cos": Function(_X, np.cos, "cosine of x in radians"),
    "tan": Function(_X, np.tan, "tangent of x in radians"),
    "arcsin": Function(_X, np.arcsin, "inverse sine, in radians"),
    "arccos": Function(_X, np.arccos, "inverse cosine, in radians"),
    "arctan": Function(_X, np.arctan, "inverse tangent, in radians"),
    "arctan2": Function(("y", "x"), np.arctan2, "angle of the point (x, y), from -pi to pi"),
    "sinh": Function(_X, np.sinh, "hyperbolic sine"),
    "cosh": Function(_X, np.cosh, "hyperbolic cosine"),
    "tanh": Function(_X, np.tanh, "hyperbolic tangent"),
    "arcsinh": Function(_X, np.arcsinh, "inverse hyperbolic sine"),
    "arccosh": Function(_X, np.arccosh, "inverse hyperbolic cosine"),
    "arctanh": Function(_X, np.arctanh, "inverse hyperbolic tangent"),
    "hypot": Function(_XY, np.hypot, "sqrt(x**2 + y**2) without overflow"),
    "minimum": Function(_XY, np.minimum, "the smaller of two numbers, NaN if one is"),
    "maximum": Function(_XY, np.maximum, "the larger of two numbers, NaN if one is"),
    "clip": Function(("x", "low", "high"), _clip, "x, but not below low nor above high"),
    "power": Function(_XY, np.power, "x ** y"),
    "mod": Function(_XY, np.mod, "x % y, with the sign of y"),
    "deg2rad": Function(_X, np.deg2rad, "degrees to radians"),
    "rad2deg": Function(_X, np.rad2deg, "radians to degrees"),
    "where": Function(("condition", "x", "y"), np.where, "x where the condition is true, else y", conditions=(0,)),
    "isnan": Function(_X, np.isnan, "whether x is NaN (missing)"),
    "isfinite": Function(_X, np.isfinite, "whether x is neither NaN nor infinite"),
    "fill": Function(("x", "value"), _fill, "x, but value where x is NaN", numpy=False),
}

CONSTANTS: dict[str, float] = {"pi": math.pi}


def reference() -> str:
    """Return all functions as two Markdown tables, for the documentation."""
    lines = ["| function | gives, element by element |", "|---|---|"]
    lines += [f"| `{name}({', '.join(entry.arguments)})` | {entry.doc} |" for name, entry in FUNCTIONS.items()]
    lines += ["", "| reducer | gives, for each event's list | empty list |", "|---|---|---|"]
    lines += [f"| `{name}(x)` | {entry.doc} | {entry.empty} |" for name, entry in REDUCERS.items()]
    return "\n".join(lines) + "\n"
