"""Small ONNX models, made by hand."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["add_sub", "endless", "hungry", "laborious", "linear", "model_of", "words"]


def model_of(graph: onnx.GraphProto) -> onnx.ModelProto:
    """A checked model of opset 17."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def linear(rows: int | str = "N") -> onnx.ModelProto:
    """`x` [rows, 2] to `y` [rows, 2] = 2 x + 1."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["z"]), helper.make_node("Add", ["z", "one"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 2])],
        [
            numpy_helper.from_array(np.array(2, np.float32), "two"),
            numpy_helper.from_array(np.array(1, np.float32), "one"),
        ],
    )
    return model_of(graph)


def add_sub() -> onnx.ModelProto:
    """`a`, `b` int64 [N, 3] to `sum` and `difference`."""
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["N", 3]) for name in ("a", "b", "sum", "difference")
    ]
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])]
    return model_of(helper.make_graph(nodes, "g", tensors[:2], tensors[2:]))


def endless() -> onnx.ModelProto:
    """`x` [N, 2] to `y` = x, after 2**62 steps where the first value of x is positive, else at once."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes_on"]), helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [None, 2]),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [None, 2]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
            helper.make_node("Greater", ["largest", "zero"], ["start"]),
            helper.make_node("Loop", ["steps", "start", "x"], ["y"], body=body),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.array(2**62), "steps"), numpy_helper.from_array(np.array(0, np.float32), "zero")],
    )
    return model_of(graph)


def hungry() -> onnx.ModelProto:
    """`n` [1] to as many zeros."""
    graph = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["n"], ["zeros"])],
        "g",
        [helper.make_tensor_value_info("n", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("zeros", TensorProto.FLOAT, ["M"])],
    )
    return model_of(graph)


def laborious() -> onnx.ModelProto:
    """`n` [1] to `y` [1], after the product of two matrices of n x n ones, which is one operator."""
    graph = helper.make_graph(
        [
            helper.make_node("Concat", ["n", "n"], ["size"], axis=0),
            helper.make_node("ConstantOfShape", ["size"], ["m"], value=numpy_helper.from_array(np.ones(1, np.float32))),
            helper.make_node("MatMul", ["m", "m"], ["product"]),
            helper.make_node("ReduceMax", ["product"], ["most"], keepdims=0),
            helper.make_node("Reshape", ["most", "one"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("n", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(np.array([1]), "one")],
    )
    return model_of(graph)


def words() -> onnx.ModelProto:
    """`text` strings [N] to themselves."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["text"], ["same"])],
        "g",
        [helper.make_tensor_value_info("text", TensorProto.STRING, ["N"])],
        [helper.make_tensor_value_info("same", TensorProto.STRING, ["N"])],
    )
    return model_of(graph)
