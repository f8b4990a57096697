"""Which models do any amount of work for a short request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlaas4hep.frameworks.onnx.work import depends_on_values
from tests.support import onnx_graphs, onnx_models, serving


def graph_of(*nodes: onnx.NodeProto, **constants: Any) -> onnx.ModelProto:
    """``x`` FP32 [N, 2] and ``n`` INT64 [1] -> ``y``."""
    return helper.make_model(
        helper.make_graph(
            list(nodes),
            "g",
            [
                helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2]),
                helper.make_tensor_value_info("n", TensorProto.INT64, [1]),
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        )
    )


def loop(condition: str) -> onnx.ModelProto:
    """Three steps at most; the body hands its condition on, or makes a new one of the value."""
    last = (
        helper.make_node("Identity", ["go"], ["on"])
        if condition == "given"
        else helper.make_node("ReduceMax", ["w"], ["most"], keepdims=0)
    )
    more = [] if condition == "given" else [helper.make_node("Cast", ["most"], ["on"], to=TensorProto.BOOL)]
    body = helper.make_graph(
        [helper.make_node("Sin", ["v"], ["w"]), last, *more],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )
    return graph_of(helper.make_node("Loop", ["three", "", "x"], ["y"], body=body), three=3)


node = helper.make_node
CASES: list[tuple[str, onnx.ModelProto, bool]] = [
    ("arithmetic", serving.scaler(2.0), False),
    ("softmax", onnx_models.scorer(), False),
    ("a table", serving.failing(), False),
    ("steps by value", serving.looping(), True),
    ("start by value", onnx_graphs.endless(), True),
    ("size by value", onnx_graphs.hungry(), True),
    ("a long operator", onnx_graphs.laborious(), True),
    ("zeros of the shape", graph_of(node("Shape", ["x"], ["s"]), node("ConstantOfShape", ["s"], ["y"])), False),
    ("zeros of a constant size", graph_of(node("ConstantOfShape", ["s"], ["y"]), s=[3, 4]), False),
    ("tiles of a constant number", graph_of(node("Tile", ["x", "s"], ["y"]), s=[1, 4]), False),
    ("tiles by value", graph_of(node("Concat", ["n", "n"], ["s"], axis=0), node("Tile", ["x", "s"], ["y"])), True),
    ("steps that are counted", loop("given"), False),
    ("steps until it is good", loop("own"), True),
]


@pytest.mark.parametrize(("model", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_models(model: onnx.ModelProto, expected: bool, tmp_path: Path) -> None:
    assert depends_on_values(serving.save(model, tmp_path / "model.onnx")) is expected


def test_branches_of_a_condition_count(tmp_path: Path) -> None:
    output = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    quick = helper.make_graph([node("Identity", ["x"], ["z"])], "quick", [], [output])
    large = helper.make_graph([node("ConstantOfShape", ["n"], ["z"])], "large", [], [output])
    for branches, expected in (((quick, large), True), ((quick, quick), False)):
        model = graph_of(node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1]), c=True)
        assert depends_on_values(serving.save(model, tmp_path / "model.onnx")) is expected


def test_bundles_are_predictable(tmp_path: Path) -> None:
    assert not depends_on_values(serving.make_bundle(tmp_path / "toy") / "model.onnx")
