"""Converted graphs in one form: rows of features in, one matrix of scores out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlaas4hep.frameworks.onnx.names import IR_VERSION, ML_OPSET, OPSET
from mlaas4hep.frameworks.onnx.walk import subgraphs

if TYPE_CHECKING:
    import onnx

__all__ = ["score_graph", "width_of"]

_STABLE = ("Add", "Cast", "Exp", "Identity", "Mul", "Reshape", "Sigmoid", "Sub")
"""Operators that are the same in the opsets that converters write."""


def width_of(output: onnx.ValueInfoProto) -> int:
    """Return the size of the last axis of a graph output of rank 2; 0 if it is not stated or the rank is another."""
    dims = output.type.tensor_type.shape.dim
    return int(dims[1].dim_value) if len(dims) == 2 else 0


def score_graph(
    model: onnx.ModelProto,
    width: int,
    *,
    output: str,
    outputs: int,
    kept: int,
    names: tuple[str, str],
    activation: str | None = None,
    double: bool = False,
) -> onnx.ModelProto:
    """Return a converted graph with one input, float32 [N, width], and one output, float32 [N, kept].

    Args:
        model: has one input, of any name.
        width: number of input columns.
        output: name of the tensor the scores are made of; what it does not depend on is left out.
        outputs: its number of columns.
        kept: number of columns of the scores, the last ones: of two classes the second where it is 1.
        names: of the input and the output.
        activation: Sigmoid or Softmax, to be applied first.
        double: true if the graph computes in float64 and wants float64 input.
    """
    import onnx.compose
    import onnx.version_converter
    from onnx import TensorProto, helper

    if _opset(model) not in (None, OPSET) and any(n.op_type not in _STABLE for n in model.graph.node if not n.domain):
        model = onnx.version_converter.convert_version(model, OPSET)
    graph = onnx.compose.add_prefix_graph(model.graph, "inner/")
    current = f"inner/{output}"
    entry = TensorProto.DOUBLE if double else TensorProto.FLOAT
    nodes = [helper.make_node("Cast", [names[0]], [graph.input[0].name], name="entry", to=entry)]
    nodes += _needed(list(graph.node), current)
    for item in (*nodes, *graph.initializer):  # exporters note the user's paths there
        item.ClearField("doc_string")
        item.ClearField("metadata_props")
    used = {name for node in nodes for name in _reads(node)}
    constants = [initializer for initializer in graph.initializer if initializer.name in used]

    def step(kind: str, name: str, *values: list[int], result: str = "", **attributes: Any) -> str:
        """Apply an operator to the scores so far, and to constants of integers."""
        inputs = [current, *(f"{name}_{number}" for number in range(len(values)))]
        for constant, value in zip(inputs[1:], values, strict=True):
            constants.append(helper.make_tensor(constant, TensorProto.INT64, [len(value)], value))
        nodes.append(helper.make_node(kind, inputs, [result or name], name=name, **attributes))
        return result or name

    if activation:
        axis: dict[str, Any] = {"axis": 1} if activation == "Softmax" else {}
        current = step(activation, "scores_activated", **axis)
    current = step("Reshape", "scores_shaped", [-1, outputs])
    if kept < outputs:
        current = step("Slice", "scores_kept", [outputs - kept], [outputs], [1])
    step("Cast", "scores_cast", result=names[1], to=TensorProto.FLOAT)
    value = helper.make_tensor_value_info
    given, made = value(names[0], TensorProto.FLOAT, ["N", width]), value(names[1], TensorProto.FLOAT, ["N", kept])
    graph = helper.make_graph(nodes, "model", [given], [made], initializer=constants)
    domains = {"": OPSET} | {o.domain: o.version for o in model.opset_import if o.domain not in ("", "ai.onnx")}
    if "ai.onnx.ml" in domains:
        domains["ai.onnx.ml"] = ML_OPSET
    imports = [helper.make_opsetid(domain, version) for domain, version in sorted(domains.items())]
    finished = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, functions=model.functions)
    finished.producer_name = "mlaas4hep"
    onnx.checker.check_model(finished)
    return finished


def _opset(model: onnx.ModelProto) -> int | None:
    return next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), None)


def _reads(node: onnx.NodeProto) -> set[str]:
    """Return the tensors that a node reads, also those of the graphs within it."""
    names = set(node.input)
    for graph in subgraphs(node):
        names.update(*(_reads(inner) for inner in graph.node))
    return names


def _needed(nodes: list[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """Return the nodes that the output depends on, in their order."""
    wanted = {output}
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted |= _reads(node)
    return kept[::-1]
