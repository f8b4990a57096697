"""Comparison of a converted model with its framework, on generated rows; made for every conversion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.foreign import SIZES_TRIED, Native
from mlaas4hep.frameworks.tensors import Tensors, TensorSpec

__all__ = ["TOLERANCE", "Examples", "differences", "examples", "independent", "stacked"]

TOLERANCE: Final = 1e-5
STEPS: Final = 4
"""Steps of float32 at the largest value that a sum may be off."""
CALLS: Final = 20
MOST: Final = (300, 64, 8, 2)
"""Rows of a call at most, until one is taken: some models say how many rows they take."""
ELEMENTS: Final = 100_000
Run: TypeAlias = Callable[[Tensors], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Examples:
    """Generated inputs and what the framework makes of them, one entry a call."""

    inputs: list[dict[str, NDArray[Any]]]
    outputs: list[Mapping[str, NDArray[Any]]]

    @property
    def rows(self) -> int:
        """Return the number of rows in all."""
        return sum(max((len(a) for a in call.values() if a.ndim), default=1) for call in self.inputs)


def examples(native: Native, seed: int = 20261120) -> Examples:
    """Return rows that the model takes, with its outputs; axes of any size get sizes until the framework agrees.

    Raises:
        Exception: what the framework raises if it takes none of them.
    """
    random = np.random.default_rng(seed)
    failure: Exception | None = None
    sizes = SIZES_TRIED
    named = len({names[0] for names in native.symbols.values() if names and names[0]}) > 1
    free = any(-1 in spec.shape[1:] or spec.dtype[0] in "iu" for spec in native.inputs) or named
    names = (False, True) if named else (False,)
    attempts: list[tuple[Mapping[str, tuple[int, ...]], int]] = [
        (_shapes(native, most, inner, by_name=by_name), whole)
        for most, inner, whole, by_name in itertools.product(MOST, sizes if free else sizes[:1], (9, 1), names)
    ]
    if native.shapes:
        attempts += [(native.shapes, whole) for whole in (9, 1)]
    for shapes, whole in attempts:
        try:
            calls = list(_calls(native, random, shapes, whole))
            return Examples(calls, [native.run(call) for call in calls])
        except MemoryError:
            raise
        except Exception as error:  # a size, or an index, that the model does not take
            failure = failure or error
    raise failure or ValueError


def differences(run: Run, expected: Examples, *, spread: bool = False) -> tuple[float, str]:
    """Return the largest difference relative to the scale of the output, and what is wrong, "" within `TOLERANCE`.

    With `spread` the scale is the spread of its values, or what float32 can tell apart if that is more.
    """
    largest = 0.0
    for call, wanted in zip(expected.inputs, expected.outputs, strict=True):
        given = run(call)
        for name, values in wanted.items():
            difference, wrong = _difference(np.asarray(given[name]), np.asarray(values), name, spread=spread)
            if wrong:
                return difference, wrong
            largest = max(largest, difference)
    return largest, ""


def stacked(expected: Examples) -> Examples:
    """Return the rows of several calls in one."""
    if len(expected.inputs) == 1:
        return expected
    inputs = {name: np.concatenate([call[name] for call in expected.inputs]) for name in expected.inputs[0]}
    outputs = {name: np.concatenate([call[name] for call in expected.outputs]) for name in expected.outputs[0]}
    return Examples([inputs], [outputs])


def independent(run: Run, expected: Examples) -> bool:
    """Return true if the first axis of all tensors counts rows, and each gives alone what it gives among others."""
    call, wanted = expected.inputs[0], expected.outputs[0]
    sizes = {len(array) if array.ndim else 0 for array in (*call.values(), *wanted.values())}
    if len(sizes) != 1 or 0 in sizes:
        return False
    for row in range(min(3, sizes.pop())):
        try:
            alone = run({name: array[row : row + 1] for name, array in call.items()})
        except Exception:  # a model for batches of a fixed size
            return False
        for name, values in wanted.items():
            whole = np.asarray(values)
            if _difference(np.asarray(alone[name]), whole[row : row + 1], name, whole)[1]:
                return False
    return True


def _difference(
    given: NDArray[Any],
    wanted: NDArray[Any],
    name: str,
    whole: NDArray[Any] | None = None,
    *,
    spread: bool = False,
) -> tuple[float, str]:
    """Return the difference relative to the largest value of `whole`, by default of `wanted`, and what is wrong."""
    if given.shape != wanted.shape:
        return math.inf, f"{name} has the shape {list(given.shape)} instead of {list(wanted.shape)}"
    if wanted.dtype.kind not in "fiu" or given.dtype.kind not in "fiu":
        same = bool((given == wanted).all())
        return (0.0, "") if same else (math.inf, f"{name} differs")
    a, b = given.astype(np.float64), wanted.astype(np.float64)
    odd = ~np.isfinite(b)
    if not np.array_equal(a[odd], b[odd], equal_nan=True) or not np.isfinite(a[~odd]).all():
        return math.inf, f"{name} is NaN or infinite for other rows"
    scale = b if whole is None else whole.astype(np.float64)
    size = float(np.abs(scale[np.isfinite(scale)]).max(initial=0.0))
    if spread and size:
        values = scale[np.isfinite(scale)]
        size = max(float(np.ptp(values)), STEPS * float(np.finfo(np.float32).eps) / TOLERANCE * size)
    difference = float(np.abs(a[~odd] - b[~odd]).max(initial=0.0)) / (size or 1.0)
    if difference > TOLERANCE:
        of = "the spread of its values" if spread else "its largest value"
        return difference, f"{name} differs by {difference:.2g} of {of}"
    return difference, ""


def _shapes(native: Native, most: int, inner: int, *, by_name: bool) -> dict[str, tuple[int, ...]]:
    """Return shapes for the inputs; with `by_name` only first axes named as the first one get the number of rows."""
    width = max(math.prod(inner if size == -1 else size for size in spec.shape[1:]) for spec in native.inputs)
    rows = min(most, max(4, ELEMENTS // max(width, 1)))
    first = next((names[:1] for names in native.symbols.values() if names), ())
    shapes = {}
    for spec in native.inputs:
        long = not by_name or native.symbols.get(spec.name, ())[:1] == first
        sizes = (rows if long else inner, *[inner] * len(spec.shape))
        shapes[spec.name] = tuple(some if size == -1 else size for size, some in zip(spec.shape, sizes, strict=False))
    return shapes


def _calls(
    native: Native, random: np.random.Generator, shapes: Mapping[str, tuple[int, ...]], whole: int
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield one call of many rows, or some of few where their number is fixed."""
    free = all(spec.shape and spec.shape[0] == -1 for spec in native.inputs)
    width = max(math.prod(shape[1:]) for shape in shapes.values())
    for _ in range(1 if free else max(4, min(CALLS, ELEMENTS // max(width, 1)))):
        yield {spec.name: _values(native, spec, random, shapes[spec.name], whole) for spec in native.inputs}


def _values(
    native: Native, spec: TensorSpec, random: np.random.Generator, shape: tuple[int, ...], whole: int
) -> NDArray[Any]:
    kind = np.dtype(spec.dtype).kind
    if kind == "O":
        return np.array([f"{number}" for number in random.integers(0, 10, math.prod(shape))], object).reshape(shape)
    if kind == "b":
        return random.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        return random.integers(0, whole + 1, shape).astype(spec.dtype)
    values = np.asarray(random.normal(size=shape), spec.dtype)
    if native.cuts is not None:
        _at_cuts(values, native, random)
    return values


def _at_cuts(values: NDArray[Any], native: Native, random: np.random.Generator) -> None:
    """Put rows of trees where they matter: at, just below and around the cuts; some missing."""
    for column, edges in (native.cuts or {}).items():
        with np.errstate(over="ignore"):
            points = edges.astype(values.dtype)  # infinite for a cut between all values and a missing one
        places = random.choice(points, len(values))
        below = np.nextafter(places, np.asarray(-np.inf, values.dtype))
        finite = points[np.isfinite(points)]
        width = float(np.ptp(finite.astype(np.float64))) + 1 if len(finite) else 1.0
        near = places + width * random.normal(size=len(values)) * 0.1
        choice = random.integers(0 if native.exact else 4, 10 if native.missing else 9, len(values))
        values[:, column] = np.select([choice < 2, choice < 4, choice < 9], [places, below, near], np.nan)
