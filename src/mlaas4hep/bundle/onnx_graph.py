"""One ONNX model that takes raw feature columns: `Layout.transform` in front of the trained model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import ConversionError
from mlaas4hep.features.layout import Layout
from mlaas4hep.frameworks.onnx.clean import clean, number
from mlaas4hep.frameworks.onnx.walk import inputs_of
from mlaas4hep.frameworks.tensors import FEATURES, SCORES

if TYPE_CHECKING:
    import onnx

__all__ = ["compose", "to_bytes"]

OLDEST_OPSET = 13
DEFAULT_OPSET = 17


def compose(core: onnx.ModelProto, layout: Layout) -> onnx.ModelProto:
    """Return the model a bundle publishes.

    Args:
        core: the trained model alone: one input float32 [N, layout.model_width], one output [N, K].
        layout: what `Layout.transform` does; the graph does the same in float32, in the same order of operations, and
            gives the same bits, except that ONNX Runtime's Where drops the sign of a negative zero.

    Returns:
        A checked model: input `features` float32 [N, D], raw (stored values less the origin of their branch) and
        padded, missing where NaN, infinite or one of `layout.missing`; output `scores` float32 [N, K]. The same
        arguments give the same bytes (see `to_bytes`).

    Raises:
        ConversionError: the core has other inputs or outputs, or the result is not a valid ONNX model.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.ModelProto()
    model.CopyFrom(core)
    _check_interface(model, layout.model_width)
    model = _with_opset(model)
    clean(model)
    graph = model.graph
    inner = "model/x"
    number(model, "model/", {graph.input[0].name: inner, graph.output[0].name: SCORES})
    nodes, constants = _transform(layout, inner, "layout")
    nodes.extend(graph.node)
    constants.extend(graph.initializer)
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    graph.input.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", layout.width]))
    graph.output[0].type.tensor_type.shape.dim[0].dim_param = "N"
    graph.name = "mlaas4hep"
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        what = f"the composed ONNX model is not valid ({str(error).splitlines()[0]})"
        raise ConversionError(what) from error
    return model


def to_bytes(model: onnx.ModelProto) -> bytes:
    """Return the model as it is written to a file; equal models give equal bytes."""
    return bytes(model.SerializeToString(deterministic=True))


def _check_interface(model: onnx.ModelProto, width: int) -> None:
    """One input [N, width] of float32, one output."""
    from onnx import TensorProto

    inputs = inputs_of(model.graph)
    if len(inputs) != 1 or len(model.graph.output) != 1:
        what = f"the ONNX model has {len(inputs)} inputs and {len(model.graph.output)} outputs"
        raise ConversionError(what, hint="one of each is needed")
    tensor = inputs[0].type.tensor_type
    shape = [dim.dim_value for dim in tensor.shape.dim]
    if tensor.elem_type != TensorProto.FLOAT or len(shape) != 2 or shape[1] not in {0, width}:
        kind = TensorProto.DataType.Name(tensor.elem_type)
        what = f"the ONNX model takes {kind} {shape}"
        raise ConversionError(what, hint=f"FLOAT [N, {width}] is needed")
    if inputs[0].name == model.graph.output[0].name:
        what = "the ONNX model gives back its input"
        raise ConversionError(what)
    for value in [value for value in model.graph.input if value not in inputs]:
        model.graph.input.remove(value)
    if not model.graph.output[0].type.tensor_type.shape.dim:
        model.graph.output[0].type.tensor_type.shape.dim.add()
        model.graph.output[0].type.tensor_type.shape.dim.add()


def _with_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """At least the opset that has all operators of the layout with float32."""
    from onnx import helper, version_converter

    versions = {entry.domain: entry.version for entry in model.opset_import}
    version = versions.get("", versions.get("ai.onnx"))
    if version is None:
        model.opset_import.append(helper.make_opsetid("", DEFAULT_OPSET))
        model.ir_version = max(model.ir_version, 8)
    elif version < OLDEST_OPSET:
        try:
            model = version_converter.convert_version(model, OLDEST_OPSET)
        except Exception as error:  # the converter raises whatever its C++ code threw
            what = f"the ONNX model is of opset {version} and cannot be brought to {OLDEST_OPSET} ({error})"
            raise ConversionError(what) from error
    model.ir_version = max(model.ir_version, 7)
    return model


def _transform(layout: Layout, result: str, prefix: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes and constants that compute `Layout.transform` of the input into the value `result`."""
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[np.float32]) -> str:
        constants.append(numpy_helper.from_array(value, f"{prefix}/{name}"))
        return f"{prefix}/{name}"

    def node(kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        output = name if name == result else f"{prefix}/{name}"
        nodes.append(helper.make_node(kind, inputs, [output], name=f"{prefix}/{kind}_{len(nodes)}", **attributes))
        return output

    largest = constant("largest", np.array(np.finfo(np.float32).max, dtype=np.float32))
    real = node("LessOrEqual", [node("Abs", [FEATURES], "magnitude"), largest], "finite")
    for index, value in enumerate(_sentinels(layout)):
        same = node("Equal", [FEATURES, constant(f"missing_{index}", value)], f"is_missing_{index}")
        real = node("And", [real, node("Not", [same], f"is_not_missing_{index}")], f"real_{index}")
    shifted = node("Sub", [FEATURES, constant("offset", layout.expand("offset"))], "shifted")
    scaled = node("Mul", [shifted, constant("scale", layout.expand("scale"))], "scaled")
    if layout.nan:
        fill = constant("nan", np.array(np.nan, dtype=np.float32))
    else:
        scaled = node("Max", [scaled, constant("floor", layout.expand("floor"))], "floored")
        fill = constant("fill", layout.expand("fill"))
    filled = node("Where", [real, scaled, fill], "filled" if layout.mask else result)
    if layout.mask:
        mask = node("Cast", [real], "mask", to=TensorProto.FLOAT)
        node("Concat", [filled, mask], result, axis=1)
    return nodes, constants


def _sentinels(layout: Layout) -> Iterator[NDArray[np.float32]]:
    """The values that mean missing, for all columns or [D]; those that are not finite are recognised anyway.

    NaN, which equals nothing, stands for columns that count from an origin.
    """
    shifted = layout.shifted
    with np.errstate(over="ignore"):
        values = [np.array(value, dtype=np.float32) for value in layout.missing]
    finite = (value for value in values if np.isfinite(value))
    return (np.where(shifted, np.float32(np.nan), value) for value in finite) if shifted.any() else finite
