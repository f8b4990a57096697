"""Small ONNX models for tests of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["ECHO_TYPES", "WEIGHTS", "echo", "fixed", "reference", "scorer", "write"]

WEIGHTS = np.array([[0.5, -1.0], [0.25, 2.0], [-0.75, 0.125]], np.float32)

ECHO_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def scorer() -> onnx.ModelProto:
    """``features`` FP32 [N, 3] -> ``scores`` [N, 2] (softmax) and ``logits`` [N, 2]."""
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    return _model(
        nodes,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 3])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2]),
        ],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )


def echo(datatype: str) -> onnx.ModelProto:
    """``x`` [N, 2] -> ``y`` [N, 2], the same values."""
    kind = ECHO_TYPES[datatype]
    return _model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", kind, ["N", 2])],
        [helper.make_tensor_value_info("y", kind, ["N", 2])],
    )


def fixed() -> onnx.ModelProto:
    """``x`` FP32 [2, 3] -> ``y`` [3, 2], transposed: no axis counts rows."""
    return _model(
        [helper.make_node("Transpose", ["x"], ["y"], perm=[1, 0])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 2])],
    )


def reference(model: onnx.ModelProto, inputs: dict[str, Any]) -> dict[str, Any]:
    """What onnxruntime says when called directly."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def write(model: onnx.ModelProto, file: Path) -> Path:
    """The model as a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model.SerializeToString())
    return file


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "test", inputs, outputs, constants or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
