"""Tensors and rows against what a model takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors.serving import BadRequestError, ModelFailedError
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.events.tensors import RowForm, check_outputs, check_tensors

A = TensorSpec("a", "float32", (-1, 2))
B = TensorSpec("b", "int64", (-1, 3, -1))


def zeros(shape: tuple[int, ...], dtype: str = "float32") -> Any:
    return np.zeros(shape, dtype)


def test_tensors_that_fit() -> None:
    assert check_tensors({"b": zeros((4, 3, 7), "int64"), "a": zeros((4, 2))}, (A, B), batched=True) == 4
    assert check_tensors({"a": zeros((1, 2))}, (TensorSpec("a", "float32", (1, 2)),), batched=False) == 1
    assert check_tensors({"a": zeros((9, 2))}, (TensorSpec("a", "float32", (1, 2)),), batched=True) == 9


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"a": zeros((4, 2))}, "input 'b' is missing; it takes a, b"),
        ({"a": zeros((4, 2)), "b": zeros((4, 3, 1), "int64"), "c": zeros((1,))}, "the model has no input 'c'"),
        (
            {"a": zeros((4, 2), "float64"), "b": zeros((4, 3, 1), "int64")},
            "input a is float64, the model takes float32",
        ),
        ({"a": zeros((4, 3)), "b": zeros((4, 3, 1), "int64")}, r"input a has the shape \[4, 3\], .* takes \[-1, 2\]"),
        ({"a": zeros((4,)), "b": zeros((4, 3, 1), "int64")}, r"input a has the shape \[4\], .* takes \[-1, 2\]"),
        ({"a": zeros((4, 2)), "b": zeros((5, 3, 1), "int64")}, "input b has 5 rows, a has 4"),
    ],
)
def test_tensors_that_do_not_fit(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        check_tensors(inputs, (A, B), batched=True)


def test_outputs_asked_for() -> None:
    check_outputs(["b", "a"], (A, B))
    with pytest.raises(BadRequestError, match="the model has no output 'c'; it has a, b"):
        check_outputs(["c"], (A, B))


def form(*inputs: TensorSpec, outputs: tuple[TensorSpec, ...] | None = None, batched: bool = True) -> RowForm:
    return RowForm(inputs, outputs or (TensorSpec("y", "float32", (-1, 1)),), batched=batched)


def rows(count: int, width: int) -> Any:
    return np.arange(count * width, dtype=np.float32).reshape(count, width)


@pytest.mark.parametrize(
    ("spec", "batched", "width", "shape"),
    [
        (TensorSpec("x", "float32", (-1, 4)), True, 4, (3, 4)),
        (TensorSpec("x", "float32", (-1, -1)), True, 7, (3, 7)),
        (TensorSpec("x", "float32", (-1, 2, 2, 1)), True, 4, (3, 2, 2, 1)),
        (TensorSpec("x", "float32", (-1, 2, -1)), True, 6, (3, 2, 3)),
        (TensorSpec("x", "float32", (1, 4)), False, 4, (1, 4)),
        (TensorSpec("x", "float32", (4,)), False, 4, (4,)),
        (TensorSpec("x", "float64", (-1, 4)), True, 4, (3, 4)),
        (TensorSpec("x", "int32", (-1, 4)), True, 4, (3, 4)),
    ],
)
def test_rows_take_the_models_shape(spec: TensorSpec, batched: bool, width: int, shape: tuple[int, ...]) -> None:
    given = rows(3 if batched else 1, width)
    found = form(spec, batched=batched).tensors(given)["x"]
    assert found.shape == shape
    assert found.dtype == spec.dtype
    np.testing.assert_array_equal(found.reshape(-1), given.reshape(-1))


def test_one_input_for_each_column() -> None:
    made = form(TensorSpec("p", "float32", (-1, 1)), TensorSpec("q", "int64", (-1,)))
    found = made.tensors(rows(3, 2))
    assert found["p"].tolist() == [[0.0], [2.0], [4.0]]
    assert found["q"].tolist() == [1, 3, 5]
    with pytest.raises(BadRequestError, match="3 values are given, the model takes 2"):
        made.tensors(rows(1, 3))


@pytest.mark.parametrize(
    ("made", "width", "message"),
    [
        (form(TensorSpec("x", "float32", (-1, 4))), 3, "3 values are given, the model takes 4"),
        (form(TensorSpec("x", "float32", (-1, 4, -1))), 3, r"3 values are given, the model takes the shape \[4, -1\]"),
        (form(TensorSpec("x", "float32", (-1, -1, -1))), 3, "the model takes tensors of any size, not rows"),
        (form(TensorSpec("x", "object", (-1, 3))), 3, "input x takes text, not numbers"),
        (form(A, TensorSpec("b", "float32", (-1, 2))), 4, "the model takes several tensors, not rows"),
        (form(A, outputs=(TensorSpec("y", "int64", (-1,)),)), 2, "this model gives no scores"),
    ],
)
def test_rows_that_do_not_fit(made: RowForm, width: int, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        made.tensors(rows(1, width))


def test_fractions_are_no_integers() -> None:
    with pytest.raises(BadRequestError, match="input x takes int64, but a value is not a whole number"):
        form(TensorSpec("x", "int64", (-1, 1))).tensors(np.array([[0.5]], np.float32))
    with pytest.raises(BadRequestError, match="not a whole number"):
        form(TensorSpec("x", "int64", (-1, 1))).tensors(np.array([[np.nan]], np.float32))


def test_which_output_holds_the_scores() -> None:
    label = TensorSpec("label", "int64", (-1,))
    scores = TensorSpec("probabilities", "float32", (-1, 3), ("a", "b", "c"))
    hidden = TensorSpec("hidden", "float32", (-1, 8))
    made = form(A, outputs=(label, hidden, scores))
    assert (made.output, made.columns) == ("probabilities", ("a", "b", "c"))
    assert form(A, outputs=(label, hidden)).output == "hidden"


def test_scores_are_rows_of_float32() -> None:
    made = form(A)
    assert made.scores({"y": np.array([1.0, 2.0])}, 2).tolist() == [[1.0], [2.0]]
    assert made.scores({"y": np.ones((2, 3, 2))}, 2).shape == (2, 6)
    assert made.scores({"y": np.ones((0, 3))}, 0).shape == (0, 3)
    assert made.scores({"y": np.ones((2, 1), np.float64)}, 2).dtype == np.float32
    with pytest.raises(ModelFailedError, match=r"the output y has the shape \[3\] for 2 rows"):
        made.scores({"y": np.ones(3)}, 2)
    alone = form(TensorSpec("x", "float32", (4,)), batched=False)
    assert alone.scores({"y": np.array([1.0, 2.0])}, 1).shape == (1, 2)
