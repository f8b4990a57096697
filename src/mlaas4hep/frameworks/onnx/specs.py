"""Inputs and outputs of an ONNX model, in numpy's words."""

from __future__ import annotations

from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.tensors import TensorSpec

__all__ = ["ONNX_DTYPES", "spec_of"]

ONNX_DTYPES: Final = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}
MAPS: Final = (
    "maps of ZipMap and lists of SequenceConstruct become tensors when a model is uploaded (`mlaas4hep models upload`);"
    " all else has to be a tensor in the file (skl2onnx: options={'zipmap': False})"
)


def spec_of(entry: Any) -> TensorSpec:
    """Return the spec of an input or output as an onnxruntime session describes it.

    Raises:
        ModelRefusedError: it is not a tensor, or of a type numpy does not know (bfloat16, sequences, maps).
    """
    dtype = ONNX_DTYPES.get(entry.type)
    if dtype is None:
        what = f"the model's tensor {entry.name!r} is of the type {entry.type}, which cannot be served"
        raise ModelRefusedError(what, hint=MAPS if entry.type.startswith("seq(") else None)
    shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in entry.shape)
    return TensorSpec(entry.name, dtype, shape)
