"""What the operators do with numbers: arithmetic in float64, comparisons without rounding, logic."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARITHMETIC", "COMPARISON", "all_of", "any_of", "float64"]

ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "//": np.floor_divide, "%": np.remainder,
    "**": np.power,
}  # fmt: skip


def all_of(*values: Any) -> Any:
    """Logical and of booleans or bool arrays that broadcast."""
    return reduce(np.logical_and, values)


def any_of(*values: Any) -> Any:
    """Logical or of booleans or bool arrays that broadcast."""
    return reduce(np.logical_or, values)


def float64(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the values in float64 and contiguous, so that numpy takes the same path for one event as for many."""
    return np.ascontiguousarray(values, dtype=np.float64)


def _exact(value: Any, other: Any) -> Any:
    """The value in a type in which numpy compares it with `other` without rounding."""
    if isinstance(value, np.ndarray):
        return float64(value) if value.dtype.kind == "f" else value
    if isinstance(value, float) and value.is_integer() and getattr(other, "dtype", np.dtype("f8")).kind in "iub":
        return int(value)
    return value


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: compare(_exact(left, right), _exact(right, left))


# NaN, a missing value, passes no comparison, not even that it differs from a number.
COMPARISON: dict[str, Callable[[Any, Any], Any]] = {
    "<": _comparison(operator.lt),
    "<=": _comparison(operator.le),
    ">": _comparison(operator.gt),
    ">=": _comparison(operator.ge),
    "==": _comparison(operator.eq),
    "!=": _comparison(lambda left, right: (left < right) | (left > right)),
}
