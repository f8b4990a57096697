from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlaas4hep.frameworks.foreign import Native
from mlaas4hep.frameworks.tensors import Tensors, TensorSpec
from mlaas4hep.inference.conversion.compare import Examples, differences, examples, independent, stacked

Function = Callable[[NDArray[Any]], NDArray[Any]]


def native(function: Function, shape: tuple[int, ...] = (-1, 3), dtype: str = "float32", **more: Any) -> Native:
    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        return {"y": function(inputs["x"])}

    return Native("p", (TensorSpec("x", dtype, shape),), (TensorSpec("y", "float32", (-1, 3)),), run, True, **more)


def test_rows_are_many_and_the_same_every_time() -> None:
    model = native(lambda x: 2 * x)
    first, second = examples(model), examples(model)
    assert first.rows == 300
    assert first.inputs[0]["x"].shape == (300, 3)
    assert np.array_equal(first.inputs[0]["x"], second.inputs[0]["x"])
    assert np.array_equal(first.outputs[0]["y"], 2 * first.inputs[0]["x"])


def test_sizes_are_tried_until_the_model_agrees() -> None:
    def picky(x: NDArray[Any]) -> NDArray[Any]:
        if x.shape[2] != 16:
            raise ValueError
        return x

    assert examples(native(picky, (-1, 2, -1))).inputs[0]["x"].shape[1:] == (2, 16)


def test_small_whole_numbers_are_tried() -> None:
    table = np.zeros((2, 1), np.float32)
    found = examples(native(lambda x: table[x], (-1, 4), "int64"))
    assert found.inputs[0]["x"].max() == 1


def test_a_model_that_takes_nothing() -> None:
    def broken(_: NDArray[Any]) -> NDArray[Any]:
        msg = "never"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="never"):
        examples(native(broken))


def test_fixed_rows_and_other_types() -> None:
    fixed = examples(native(lambda x: x, (1, 3)))
    assert (len(fixed.inputs), fixed.rows) == (20, 20)
    assert stacked(fixed).inputs[0]["x"].shape == (20, 3)
    assert examples(native(lambda x: x, (-1, 2), "bool")).inputs[0]["x"].dtype == bool
    assert isinstance(examples(native(lambda x: x, (-1,), "object")).inputs[0]["x"][0], str)


def test_trees_are_tried_at_their_cuts() -> None:
    cut = np.float32(100.25)
    model = native(lambda x: (x[:, :1] < cut).astype(np.float32), cuts={0: np.array([cut], float)})
    found = examples(model)
    column = found.inputs[0]["x"][:, 0]
    assert (column == cut).sum() > 20
    assert (column == np.nextafter(cut, np.float32(0))).sum() > 20
    assert np.isnan(column).sum() > 10
    assert differences(lambda call: {"y": (call["x"][:, :1] <= cut).astype(np.float32)}, found)[1]
    careful = native(lambda x: x, cuts={0: np.array([cut], float)}, exact=False, missing=False)
    column = examples(careful).inputs[0]["x"][:, 0]
    assert not (column == cut).any()
    assert not np.isnan(column).any()


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda y: y, ""),
        (lambda y: y * (1 + 5e-6), ""),
        (lambda y: y * (1 + 2e-5), "y differs by 2e-05 of its largest value"),
        (lambda y: y[:-1], "y has the shape"),
        (lambda y: np.where(y > 1, np.nan, y), "y is NaN or infinite for other rows"),
    ],
)
def test_differences(change: Function, wrong: str) -> None:
    values = np.arange(6.0).reshape(2, 3) * 1000
    expected = Examples([{"x": values}], [{"y": values}])
    difference, text = differences(lambda call: {"y": change(call["x"])}, expected)
    assert text.startswith(wrong)
    assert bool(text) == bool(wrong)
    assert difference >= 0


def test_missing_scores_must_be_missing_in_both() -> None:
    values = np.array([[1.0, np.nan, np.inf]])
    expected = Examples([{"x": values}], [{"y": values}])
    assert differences(lambda call: {"y": call["x"]}, expected) == (0.0, "")
    assert differences(lambda call: {"y": np.nan_to_num(call["x"])}, expected)[1]


def test_words_and_booleans_must_be_equal() -> None:
    values = np.array(["a", "b"], object)
    expected = Examples([{"x": values}], [{"y": values}])
    assert differences(lambda call: {"y": call["x"]}, expected) == (0.0, "")
    assert differences(lambda call: {"y": call["x"][::-1]}, expected)[1] == "y differs"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: 2 * x, True),
        (lambda x: x - x.mean(axis=0), False),
        (lambda x: x.sum(axis=0, keepdims=True), False),
        (lambda x: x.sum(), False),
    ],
)
def test_rows_that_depend_on_others(function: Function, expected: bool) -> None:
    model = native(function)
    assert independent(model.run, examples(model)) is expected
