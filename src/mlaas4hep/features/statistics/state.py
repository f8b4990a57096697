"""Statistics as JSON values, exactly: what is read is what was written, and anything else is refused."""

from __future__ import annotations

import base64
import math
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.statistics.branch import Lengths, Moments, Number, Real, ValueStatistics
from mlaas4hep.features.statistics.sketch import Sketch
from mlaas4hep.features.statistics.sweep import EXPONENTS, FEATURES, LARGE, SHIFT, SUMS

__all__ = ["lengths_from_state", "lengths_to_state", "mapping", "values_from_state", "values_to_state", "whole"]

Int64s = NDArray[np.int64]

_TYPES = ("u1", "u2", "u4", "u8")
_LIMIT = 1 << 62
_MOST = 1 << 39


def values_to_state(values: ValueStatistics) -> dict[str, Any]:
    """Return a JSON value from which `values_from_state` makes the same statistics."""
    return {
        "count": values.count,
        "missing": values.missing,
        "infinite": values.infinite,
        "features": _real_to_state(values.features),
        "large": None if values.large is None else _real_to_state(values.large),
    }


def values_from_state(state: object) -> ValueStatistics:
    """Return the statistics.

    Raises:
        ValueError: the state is malformed.
    """
    parts = mapping(state, {"count", "missing", "infinite", "features", "large"})
    count, missing, infinite = (whole(parts[name], _MOST) for name in ("count", "missing", "infinite"))
    features = _real_from_state(parts["features"], FEATURES)
    large = None if parts["large"] is None else _real_from_state(parts["large"], LARGE)
    real = features.count + (large.count if large else 0)
    if real != count - missing - infinite or (large is not None and not large.count):
        _refuse(f"{count} values, {missing} missing, {infinite} infinite, but {real} real ones")
    return ValueStatistics(count, missing, infinite, features, large)


def _real_to_state(values: Real) -> dict[str, Any]:
    sketch = values.sketch
    rests = _rests(sketch.first, sketch.level)
    unused = _trailing_zeros(rests)
    buckets = sketch.first >> sketch.level
    return {
        "count": values.count,
        "rounded": values.rounded,
        "range": [values.low, values.high] if values.count else None,
        "moments": values.moments.rows(),
        "level": sketch.level,
        "start": int(buckets[0]) if len(buckets) else 0,
        "unused": unused,
        "keys": _pack(_steps(buckets)),
        "rests": _pack(rests >> unused),
        "counts": _pack(sketch.counts),
        "single": _pack(np.packbits(sketch.single).astype(np.int64)),
    }


_REAL = {"count", "rounded", "range", "moments", "level", "start", "unused", "keys", "rests", "counts", "single"}


def _real_from_state(state: object, within: tuple[int, int]) -> Real:
    parts = mapping(state, _REAL)
    count, rounded = whole(parts["count"], _MOST), whole(parts["rounded"], _MOST)
    sketch = _sketch(parts)
    if int(sketch.counts.sum()) != count or rounded > count or (not count and parts["range"] is not None):
        _refuse(f"{count} values, {sketch.counts.sum()} in buckets, {rounded} rounded, in {parts['range']}")
    low, high = _range(parts["range"], within) if count else (math.inf, -math.inf)
    return Real(count, rounded, low, high, _moments(parts["moments"]), sketch)


def _sketch(parts: dict[str, Any]) -> Sketch:
    level, unused = whole(parts["level"], SHIFT + 1), whole(parts["unused"], 64)
    start = parts["start"]
    if isinstance(start, bool) or not isinstance(start, int) or not -(1 << 63) <= start << level < 1 << 63:
        _refuse(f"start {start!r}")
    rests, counts, single = (_unpack(parts[name]) for name in ("rests", "counts", "single"))
    steps = _unpack(parts["keys"], 1 << 64).view(np.int64)
    if not (len(steps) == len(rests) == len(counts) and len(single) == -(-len(counts) // 8)):
        _refuse("tables of different lengths")
    buckets = start + np.cumsum(steps)
    if not ((buckets[1:] > buckets[:-1]).all() and counts.all() and not steps[:1].any()):
        _refuse("a table of counts whose keys do not ascend, or with empty entries")
    most = (1 << (63 - level)) - 1
    if (rests >= (1 << max(level - unused, 0))).any() or counts.astype(np.float64).sum() >= _MOST:
        _refuse("a table of counts with numbers that are too large")
    if (len(buckets) and not -most - 1 <= buckets[0] <= buckets[-1] <= most) or single.max(initial=0) >= 256:
        _refuse("a table of counts with keys that are too large")
    first = buckets << level
    first |= _rests(first ^ (rests << unused), level)
    flags = np.unpackbits(single.astype(np.uint8))[: len(counts)].astype(np.bool_)
    return Sketch(level, first, counts, flags)


def _rests(keys: Int64s, level: int) -> Int64s:
    """The last bits of keys, of negative ones inverted: numbers of few digits have zeros at their end."""
    mask = (1 << level) - 1
    return (keys ^ np.where(keys < 0, mask, 0)) & mask


def _steps(buckets: Int64s) -> NDArray[np.uint64]:
    """By how much each is greater than the one before; the first counts as 0."""
    before = np.concatenate([buckets[:1], buckets[:-1]])
    steps: NDArray[np.uint64] = (buckets - before).view(np.uint64)  # beyond 2^63 it wraps, as it does when it is read
    return steps


def _trailing_zeros(numbers: Int64s) -> int:
    """How many of the last bits are zero in all numbers, which are not negative."""
    together = int(np.bitwise_or.reduce(numbers)) if len(numbers) else 0
    return (together & -together).bit_length() - 1 if together else 0


def lengths_to_state(lengths: Lengths) -> dict[str, Any]:
    """Return a JSON value from which `lengths_from_state` makes the same lengths."""
    return _table(lengths.lengths, lengths.counts)


def lengths_from_state(state: object) -> Lengths:
    """Return the lengths.

    Raises:
        ValueError: the state is malformed.
    """
    parts = mapping(state, {"keys", "counts"})
    return Lengths(*_from_table(parts["keys"], parts["counts"], _LIMIT))


def mapping(state: object, names: set[str]) -> dict[str, Any]:
    """Return a JSON object that has these names and no others.

    Raises:
        ValueError: it has not.
    """
    if not isinstance(state, dict) or set(state) != names:
        _refuse(f"not an object of {', '.join(sorted(names))}")
    return state


def whole(number: object, limit: int) -> int:
    """Return a whole number from 0 to below a limit.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < limit:
        _refuse(f"{number!r} is not a whole number from 0 to {limit - 1}")
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


def _pack(numbers: NDArray[np.int64] | NDArray[np.uint64]) -> str:
    """Whole numbers as base64 of the smallest little-endian type that holds them, after its name."""
    largest = int(numbers.max(initial=0))
    kind = next(kind for kind in _TYPES if largest <= np.iinfo(kind).max)
    return f"{kind}:{base64.b64encode(numbers.astype(f'<{kind}').tobytes()).decode()}"


def _unpack(text: object, limit: int = _LIMIT) -> Int64s:
    kind, _, data = text.partition(":") if isinstance(text, str) else ("", "", "")
    if kind not in _TYPES:
        _refuse("not packed numbers")
    content = base64.b64decode(data, validate=True)  # binascii.Error is a ValueError
    numbers = np.frombuffer(content, dtype=f"<{kind}")  # ValueError if there is no whole number of them
    if int(numbers.max(initial=0)) >= limit:
        _refuse("packed numbers that are too large")
    return numbers.astype(np.uint64).view(np.int64)


def _moments(state: object) -> Moments:
    if not isinstance(state, list):
        _refuse("moments that are not a list")
    rows: dict[int, list[int]] = {}
    for row in state:
        if not isinstance(row, list) or len(row) != 1 + SUMS or not any(row[1:]):
            _refuse(f"moments {row!r}")
        exponent = whole(row[0], EXPONENTS)
        for number in row[1:]:
            whole(abs(number) if isinstance(number, int) else number, 1 << 63)
        if exponent in rows:
            _refuse(f"moments {row!r}")
        rows[exponent] = row[1:]
    first = min(rows, default=0)
    sums = np.zeros((max(rows, default=-1) - first + 1, SUMS), dtype=np.int64)
    for exponent, numbers in rows.items():
        sums[exponent - first] = numbers
    return Moments(first, sums)


def _range(state: object, within: tuple[int, int]) -> tuple[Number, Number]:
    if not isinstance(state, list) or len(state) != 2 or not all(type(number) in {int, float} for number in state):
        _refuse(f"range {state!r}")
    low, high = state
    try:
        sizes = [np.array(abs(float(number))).view(np.int64).item() for number in state]
    except OverflowError:
        _refuse(f"range {state!r}")
    if not all(within[0] <= size < within[1] for size in sizes) or low > high:
        _refuse(f"range {state!r}")
    return low, high


def _refuse(what: str) -> NoReturn:
    msg = f"not the state of statistics: {what}"
    raise ValueError(msg)
