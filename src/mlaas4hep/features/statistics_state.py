"""Statistics as JSON values, exactly: what is read is what was written, and anything else is refused."""

from __future__ import annotations

import base64
import math
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.statistics import Lengths, Moments, Sketch, ValueStatistics
from mlaas4hep.features.sweep import BUCKETS, EXPONENTS, LOW_BITS

__all__ = ["lengths_from_state", "lengths_to_state", "mapping", "values_from_state", "values_to_state", "whole"]

Int64s = NDArray[np.int64]

_TYPES = ("u1", "u2", "u4", "u8")
_LIMIT = 1 << 62
_MOST = 1 << 39


def values_to_state(values: ValueStatistics) -> dict[str, Any]:
    """A JSON value from which `values_from_state` makes the same statistics."""
    sums = values.moments.sums
    return {
        "count": values.count,
        "missing": values.missing,
        "infinite": values.infinite,
        "range": [values.low, values.high] if values.real else None,
        "moments": [[int(e), *sums[:, e].tolist()] for e in np.flatnonzero(sums.any(axis=0))],
        **_table(values.sketch.keys, values.sketch.counts),
    }


def values_from_state(state: object) -> ValueStatistics:
    """The statistics.

    Raises:
        ValueError: the state is malformed.
    """
    parts = mapping(state, {"count", "missing", "infinite", "range", "moments", "keys", "counts"})
    count, missing, infinite = (whole(parts[name], _MOST) for name in ("count", "missing", "infinite"))
    keys, counts = _from_table(parts["keys"], parts["counts"], BUCKETS)
    real = count - missing - infinite
    if int(counts.sum()) != real:
        _refuse(f"{count} values, {missing} missing, {infinite} infinite, but {counts.sum()} real ones")
    low, high = _range(parts["range"]) if real else (math.inf, -math.inf)
    if not real and parts["range"] is not None:
        _refuse("a range of no values")
    return ValueStatistics(count, missing, infinite, low, high, _moments(parts["moments"]), Sketch(keys, counts))


def lengths_to_state(lengths: Lengths) -> dict[str, Any]:
    """A JSON value from which `lengths_from_state` makes the same lengths."""
    return _table(lengths.lengths, lengths.counts)


def lengths_from_state(state: object) -> Lengths:
    """The lengths.

    Raises:
        ValueError: the state is malformed.
    """
    parts = mapping(state, {"keys", "counts"})
    return Lengths(*_from_table(parts["keys"], parts["counts"], _LIMIT))


def mapping(state: object, names: set[str]) -> dict[str, Any]:
    """A JSON object that has these names and no others.

    Raises:
        ValueError: it has not.
    """
    if not isinstance(state, dict) or set(state) != names:
        _refuse(f"not an object of {', '.join(sorted(names))}")
    return state


def whole(number: object, limit: int) -> int:
    """A whole number from 0 to below a limit.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < limit:
        _refuse(f"{number!r} is no whole number from 0 to {limit - 1}")
    return number


def _table(keys: Int64s, counts: Int64s) -> dict[str, str]:
    """Keys as the differences between them, which are small."""
    return {"keys": _pack(np.diff(keys, prepend=0)), "counts": _pack(counts)}


def _from_table(keys: object, counts: object, limit: int) -> tuple[Int64s, Int64s]:
    steps, numbers = _unpack(keys), _unpack(counts)
    if len(steps) != len(numbers) or not steps[1:].all() or not numbers.all():
        _refuse("a table of counts whose keys do not ascend, or with empty entries")
    for array, most in ((steps, limit), (numbers, _MOST)):
        if array.astype(np.float64).sum() >= most:
            _refuse("a table of counts with numbers that are too large")
    return np.cumsum(steps), numbers


def _pack(numbers: Int64s) -> str:
    """Whole numbers as base64 of the smallest little-endian type that holds them, after its name."""
    largest = int(numbers.max(initial=0))
    kind = next(kind for kind in _TYPES if largest <= np.iinfo(kind).max)
    return f"{kind}:{base64.b64encode(numbers.astype(f'<{kind}').tobytes()).decode()}"


def _unpack(text: object) -> Int64s:
    kind, _, data = text.partition(":") if isinstance(text, str) else ("", "", "")
    if kind not in _TYPES:
        _refuse("not packed numbers")
    content = base64.b64decode(data, validate=True)  # binascii.Error is a ValueError
    numbers = np.frombuffer(content, dtype=f"<{kind}")  # ValueError if there is no whole number of them
    if numbers.max(initial=0) >= _LIMIT:
        _refuse("packed numbers that are too large")
    return numbers.astype(np.int64)


def _moments(state: object) -> Moments:
    sums = np.zeros((3, EXPONENTS), dtype=np.int64)
    if not isinstance(state, list):
        _refuse("moments that are no list")
    for row in state:
        if not isinstance(row, list) or len(row) != 4:
            _refuse(f"moments {row!r}")
        exponent, high, low = (
            whole(number, limit) for number, limit in zip((row[0], row[2], row[3]), _MOMENT_LIMITS, strict=True)
        )
        sign = -1 if isinstance(row[1], int) and row[1] < 0 else 1
        mantissas = sign * whole(abs(row[1]) if isinstance(row[1], int) else row[1], 1 << 63)
        if sums[:, exponent].any() or not (mantissas or high or low):
            _refuse(f"moments {row!r}")
        sums[:, exponent] = mantissas, high, low
    return Moments(sums)


_MOMENT_LIMITS = (EXPONENTS, 1 << 63, 1 << LOW_BITS)


def _range(state: object) -> tuple[float, float]:
    if not isinstance(state, list) or len(state) != 2 or not all(isinstance(number, float) for number in state):
        _refuse(f"range {state!r}")
    low, high = state
    with np.errstate(over="ignore"):
        exact = all(math.isfinite(number) and float(np.float32(number)) == number for number in state)
    if not exact or low > high:
        _refuse(f"range {state!r}")
    return low, high


def _refuse(what: str) -> NoReturn:
    msg = f"not the state of statistics: {what}"
    raise ValueError(msg)
