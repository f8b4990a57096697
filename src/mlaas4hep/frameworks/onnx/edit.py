"""What is changed in an ONNX model so that it can be served: maps become matrices, a fixed batch is freed."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.onnx.names import rename_inside
from mlaas4hep.frameworks.onnx.walk import all_nodes, inputs_of, subgraphs

if TYPE_CHECKING:
    import onnx

__all__ = ["fixed_batch", "free_batch", "read_model", "without_bfloat16", "without_maps"]

ML: Final = {"ai.onnx.ml"}
STANDARD: Final = {"", "ai.onnx"}
LARGEST: Final = 2**31


def read_model(path: Path) -> onnx.ModelProto:
    """Read a model with all its weights, also those in files of the upload beside it.

    Raises:
        ModelRefusedError: it is damaged, or weights are in a file that was not sent, or is not beside it.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import load_external_data_for_tensor

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        what = f"the ONNX file is damaged ({error})"
        raise ModelRefusedError(what) from error
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        name = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        plain = PurePosixPath(name)
        if plain.is_absolute() or ".." in plain.parts or not (path.parent / name).is_file():
            what = f"the ONNX model keeps weights in a file beside it, {name[:200]!a}, which is not in the upload"
            hint = "send both in one tar.gz, or save it as one file (onnx.save without external data)"
            raise ModelRefusedError(what, hint=hint)
        load_external_data_for_tensor(tensor, str(path.parent))
    if model.ByteSize() >= LARGEST:
        what = "the ONNX model with its weights is larger than 2 GiB, more than one file of ONNX can hold"
        raise ModelRefusedError(what)
    return model


def without_maps(model: onnx.ModelProto) -> tuple[str, ...]:
    """Replace maps from classes to probabilities by the matrix they were made of (``ZipMap``), lists by their tensors.

    Args:
        model: changed in place.

    Returns:
        The classes that the maps name, in order; empty if there are none.
    """
    from onnx import TensorProto, helper

    classes: tuple[str, ...] = ()
    makers = {name: node for node in model.graph.node for name in node.output}
    for output in list(model.graph.output):
        maker = makers.get(output.name)
        if maker is None or not output.type.HasField("sequence_type"):
            continue
        if maker.op_type == "ZipMap" and maker.domain in ML:
            labels = [label for attribute in maker.attribute for label in (*attribute.strings, *attribute.ints)]
            named = [label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label) for label in labels]
            classes = classes or tuple(named)
            node = helper.make_node("Identity", list(maker.input), list(maker.output))
            kind = helper.make_tensor_type_proto(TensorProto.FLOAT, ["N", len(labels)])
            _replace(model.graph, maker, [node], output, [(output.name, kind)])
        elif maker.op_type == "SequenceConstruct" and maker.domain in STANDARD:
            names = [f"{output.name}_{number}" for number in range(len(maker.input))]
            nodes = [helper.make_node("Identity", [a], [b]) for a, b in zip(maker.input, names, strict=True)]
            number = output.type.sequence_type.elem_type.tensor_type.elem_type
            kinds = [(name, helper.make_tensor_type_proto(number, None)) for name in names]
            _replace(model.graph, maker, nodes, output, kinds)
    return classes


def without_bfloat16(model: onnx.ModelProto) -> None:
    """Let inputs and outputs of bfloat16, which numpy does not know, be float32; the model inside stays as it is."""
    from onnx import TensorProto, helper

    inputs = {value.name for value in model.graph.input}
    for value in _ends(model):
        if value.type.tensor_type.elem_type != TensorProto.BFLOAT16:
            continue
        inner = f"{value.name}__bfloat16"
        rename_inside(model.graph, {value.name: inner})
        if value.name in inputs:
            model.graph.node.insert(0, helper.make_node("Cast", [value.name], [inner], to=TensorProto.BFLOAT16))
        else:
            model.graph.node.append(helper.make_node("Cast", [inner], [value.name], to=TensorProto.FLOAT))
        value.type.tensor_type.elem_type = TensorProto.FLOAT


def fixed_batch(model: onnx.ModelProto) -> int | None:
    """Return the size of the first axis of all inputs and outputs, if it is one number for all.

    None if it is not, if it is not fixed, or if an input has no other axis: it may be a row as well as a batch.
    """
    sizes = set()
    outputs = {value.name for value in model.graph.output}
    for value in _ends(model):
        shape = value.type.tensor_type.shape
        if not value.type.HasField("tensor_type") or len(shape.dim) < (1 if value.name in outputs else 2):
            return None
        sizes.add(shape.dim[0].dim_value if shape.dim[0].HasField("dim_value") else -1)
    size = sizes.pop() if len(sizes) == 1 else -1
    return size if size > 0 else None


def free_batch(model: onnx.ModelProto, size: int, *, reshapes: bool) -> onnx.ModelProto:
    """Return a copy with a first axis of any size in all inputs and outputs; the caller checks that it works.

    Args:
        model: with a first axis of `size` in all inputs and outputs.
        size: of the batch.
        reshapes: where a tensor is given a shape that begins with `size`, let it keep its own first axis.
    """
    import onnx

    freed = onnx.ModelProto()
    freed.CopyFrom(model)
    del freed.graph.value_info[:]
    for value in _ends(freed):
        dim = value.type.tensor_type.shape.dim[0]
        dim.Clear()
        dim.dim_param = "N"
    if reshapes:
        _free_reshapes(freed.graph, size)
    return freed


def _free_reshapes(graph: onnx.GraphProto, size: int) -> None:
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    for number, node in enumerate(graph.node):
        if node.op_type != "Reshape" or node.domain not in STANDARD or node.input[1] not in constants:
            continue
        shape = numpy_helper.to_array(constants[node.input[1]]).copy()
        if shape.ndim != 1 or not len(shape) or shape[0] != size:
            continue
        shape[0] = 0  # as the tensor has it
        name = f"{node.input[1]}__freed_{number}"
        graph.initializer.append(numpy_helper.from_array(np.asarray(shape, np.int64), name))
        node.input[1] = name


def _ends(model: onnx.ModelProto) -> list[Any]:
    """Return inputs and outputs."""
    return [*inputs_of(model.graph), *model.graph.output]


def _replace(graph: Any, old: Any, nodes: list[Any], output: Any, kinds: list[tuple[str, Any]]) -> None:
    """Put nodes in the place of one, and tensors in the place of an output."""
    from onnx import helper

    place = list(graph.node).index(old)
    graph.node.remove(old)
    for number, node in enumerate(nodes):
        graph.node.insert(place + number, node)
    place = list(graph.output).index(output)
    graph.output.remove(output)
    for number, (name, kind) in enumerate(kinds):
        graph.output.insert(place + number, helper.make_value_info(name, kind))


def _tensors(model: Any) -> list[Any]:
    """All tensors of a model: initialisers and constants, also in inner graphs and functions."""
    nodes = list(all_nodes(model))
    graphs = [model.graph, *(inner for node in nodes for inner in subgraphs(node))]
    found: list[Any] = [tensor for node in nodes for part in node.attribute for tensor in (part.t, *part.tensors)]
    for graph in graphs:
        found.extend(graph.initializer)
        found.extend(tensor for sparse in graph.sparse_initializer for tensor in (sparse.values, sparse.indices))
    return found
