"""Checks of tensors against what a model takes, and rows of numbers as its tensors."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import BadRequestError, ModelFailedError
from mlaas4hep.frameworks.tensors import Tensors, TensorSpec

__all__ = ["RowForm", "check_outputs", "check_tensors"]

PREFERRED = ("scores", "probabilities", "output_probability", "probability")


def check_tensors(inputs: Tensors, specs: Sequence[TensorSpec], *, batched: bool) -> int:
    """Check that the tensors are those the model takes; return the number of rows (1 without a batch axis).

    Raises:
        BadRequestError: a tensor is missing, unknown, or of another type or shape; says which.
    """
    if len(inputs) != len(specs):
        _names(inputs, specs)
    rows = None
    for spec in specs:
        array = inputs.get(spec.name)
        if array is None:
            _names(inputs, specs)
        if _name(array.dtype) != spec.dtype:
            raise BadRequestError(f"input {spec.name} is {array.dtype.name}, the model takes {spec.dtype}")
        shape, expected = array.shape, spec.shape
        if len(shape) != len(expected) or (
            shape[batched:] != expected[batched:] and not _fits(shape[batched:], expected[batched:])
        ):
            shown = [-1, *expected[1:]] if batched else list(expected)
            raise BadRequestError(f"input {spec.name} has the shape {list(shape)}, the model takes {shown}")
        if batched:
            if rows is not None and shape[0] != rows:
                raise BadRequestError(f"input {spec.name} has {shape[0]} rows, {specs[0].name} has {rows}")
            rows = shape[0]
    return 1 if rows is None else rows


@functools.cache
def _name(dtype: np.dtype[Any]) -> str:
    """Return its name, which numpy puts together each time it is asked."""
    return dtype.name


def check_outputs(names: Sequence[str], specs: Sequence[TensorSpec]) -> None:
    """Check that the model has these outputs.

    Raises:
        BadRequestError: it does not.
    """
    known = [spec.name for spec in specs]
    for name in names:
        if name not in known:
            raise BadRequestError(f"the model has no output {name!r}", hint=f"it has {', '.join(known)}")


def _fits(shape: Sequence[int], expected: Sequence[int]) -> bool:
    return all(size in (-1, given) for size, given in zip(expected, shape, strict=True))


def _names(inputs: Mapping[str, Any], specs: Sequence[TensorSpec]) -> NoReturn:
    known = [spec.name for spec in specs]
    missing = [name for name in known if name not in inputs]
    unknown = [name for name in inputs if name not in known]
    what = f"input {missing[0]!r} is missing" if missing else f"the model has no input {unknown[0]!r}"
    raise BadRequestError(what, hint=f"it takes {', '.join(known)}")


class RowForm:
    """Turns rows of numbers into a model's tensors, and its outputs into scores.

    Args:
        inputs, outputs, batched: of the model.

    Attributes:
        output: name of the output that holds the scores.
        alone: the model takes one row at a time.
    """

    def __init__(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], *, batched: bool) -> None:
        self._inputs = tuple(inputs)
        self.alone = not batched
        self._own_axis = batched or all(spec.shape[:1] == (1,) for spec in inputs)
        tails = [spec.shape[1:] if self._own_axis else spec.shape for spec in inputs]
        self._tails = tails
        self._split = len(tails) > 1
        self.width = math.prod(tails[0]) if len(tails) == 1 and -1 not in tails[0] else None
        floats = [spec.name for spec in outputs if spec.dtype.startswith("float")]
        self.output: str | None = next((name for name in PREFERRED if name in floats), floats[0] if floats else None)
        found = next((spec for spec in outputs if spec.name == self.output), None)
        self.columns = found.columns if found is not None else ()
        own = () if found is None else found.shape[1:] if self._own_axis else found.shape
        self._none = max(0, math.prod(own)) if own and min(own) >= 0 else 0

    def tensors(self, rows: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return the model's inputs for rows, float32 [N, D]; N is 1 if `alone`.

        Raises:
            BadRequestError: the rows are too long or too short, or the model cannot be given rows.
        """
        if self.output is None:
            raise BadRequestError("this model gives no scores", hint="ask for its tensors by name")
        if self._split:
            return self._one_each(rows)
        spec, tail = self._inputs[0], self._tails[0]
        if not len(rows) and self.width is not None:
            rows = np.empty((0, self.width), dtype=np.float32)
        if self.width is not None and rows.shape[1] != self.width:
            raise BadRequestError(f"{rows.shape[1]} values are given, the model takes {self.width}")
        leading = (len(rows),) if self._own_axis else ()
        if len(tail) != 1 or not self._own_axis:
            if list(tail).count(-1) > 1:
                raise BadRequestError("the model takes tensors of any size, not rows", hint="give its tensors by name")
            try:
                rows = rows.reshape(*leading, *tail)
            except ValueError:
                what = f"{rows.shape[1]} values are given, the model takes the shape {list(tail)}"
                raise BadRequestError(what) from None
        return {spec.name: self._as(spec, rows)}

    def none(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the scores of no rows, [0, K], if the model cannot be asked; None if it can, or if there are rows."""
        if len(rows) or not (self.alone or (self.width is None and not self._split)):
            return None
        return np.empty((0, self._none), dtype=np.float32)

    def scores(self, outputs: Mapping[str, Any], rows: int) -> NDArray[np.float32]:
        """Return the scores, float32 [N, K].

        Raises:
            ModelFailedError: the model's output has no row for each row.
            BadRequestError: a score is finite, but not within float32.
        """
        assert self.output is not None
        found = np.asarray(outputs[self.output])
        if self.alone:
            found = found.reshape(1, -1)
        if not found.ndim or len(found) != rows:
            raise ModelFailedError(f"the output {self.output} has the shape {list(found.shape)} for {rows} rows")
        if found.ndim != 2:
            found = found.reshape(rows, -1) if rows else np.empty((0, math.prod(found.shape[1:])))
        if found.dtype == np.float32:
            return found
        with np.errstate(over="ignore", invalid="ignore"):
            scores = found.astype(np.float32)
        if found.dtype.itemsize > 4 and not np.array_equal(np.isinf(found), np.isinf(scores)):
            what = f"the output {self.output} holds a number that float32 cannot hold"
            raise BadRequestError(what, hint="ask for the model's tensors by name")
        return scores

    def _one_each(self, rows: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        if not len(rows):
            rows = np.empty((0, len(self._inputs)), dtype=np.float32)
        if not self._own_axis or any(math.prod(tail) != 1 for tail in self._tails):
            raise BadRequestError("the model takes several tensors, not rows", hint="give its tensors by name")
        if rows.shape[1] != len(self._inputs):
            raise BadRequestError(f"{rows.shape[1]} values are given, the model takes {len(self._inputs)}")
        return {
            spec.name: self._as(spec, rows[:, index].reshape(-1, *tail))
            for index, (spec, tail) in enumerate(zip(self._inputs, self._tails, strict=True))
        }

    @staticmethod
    def _as(spec: TensorSpec, values: NDArray[np.float32]) -> NDArray[Any]:
        if spec.dtype == "float32":
            return np.ascontiguousarray(values)
        dtype = np.dtype(spec.dtype)
        if dtype.kind == "O":
            raise BadRequestError(f"input {spec.name} takes text, not numbers", hint="give its tensors by name")
        if dtype.kind in "iub" and not (np.isfinite(values) & (values == np.floor(values))).all():
            raise BadRequestError(f"input {spec.name} takes {spec.dtype}, but a value is not a whole number")
        with np.errstate(over="ignore", invalid="ignore"):
            found = values.astype(dtype)
            back = found.astype(np.float64)
        beyond = np.isfinite(values) & ~np.isfinite(back) if dtype.kind == "f" else back != values
        if beyond.any():
            raise BadRequestError(f"input {spec.name} takes {spec.dtype}, which cannot hold {values[beyond][0]:g}")
        return found
