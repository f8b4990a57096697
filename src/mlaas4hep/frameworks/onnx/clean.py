"""What is changed in an ONNX model so that its bytes depend on what it computes alone: comments and names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlaas4hep.frameworks.onnx.walk import all_nodes, subgraphs, with_subgraphs

if TYPE_CHECKING:
    import onnx

__all__ = ["clean", "number"]


def clean(model: onnx.ModelProto) -> None:
    """Remove what does not change the result: producer, comments, metadata (they hold paths), inferred shapes."""
    for field in ("producer_name", "producer_version", "domain", "model_version", "doc_string", "metadata_props"):
        model.ClearField(field)
    for graph in with_subgraphs(model.graph):
        _strip(graph)
        for value in (*graph.input, *graph.output, *graph.initializer, *graph.sparse_initializer):
            _strip(value)
    for function in model.functions:
        _strip(function)
    for node in all_nodes(model):
        _strip(node)
        for attribute in node.attribute:
            _strip(attribute)
            if attribute.HasField("t"):
                _strip(attribute.t)


def number(model: onnx.ModelProto, prefix: str, fixed: dict[str, str]) -> None:
    """Name all values and nodes by running numbers, in the order in which the nodes use them.

    Converters put counters of the process into names, so that a second conversion would give other bytes.

    Args:
        model: changed in place.
        prefix: before the numbers, e.g. ``model/``.
        fixed: names that get another given name.
    """
    names = dict(fixed)
    _number_nodes(model.graph.node, names, prefix)
    _number_values(model.graph, names, prefix)
    for function in model.functions:
        inside: dict[str, str] = {}
        _number_nodes(function.node, inside, "")
        function.input[:] = [_new(name, inside, "") for name in function.input]
        function.output[:] = [_new(name, inside, "") for name in function.output]


def _number_nodes(nodes: Iterable[onnx.NodeProto], names: dict[str, str], prefix: str) -> None:
    for position, node in enumerate(nodes):
        node.name = f"{prefix}{node.op_type}_{position}"
        node.input[:] = [_new(name, names, prefix) for name in node.input]
        for inner in subgraphs(node):
            _number_nodes(inner.node, names, prefix)
            _number_values(inner, names, prefix)
            inner.name = "inner"
        node.output[:] = [_new(name, names, prefix) for name in node.output]


def _number_values(graph: onnx.GraphProto, names: dict[str, str], prefix: str) -> None:
    values: list[Any] = [*graph.input, *graph.output, *graph.initializer]
    for value in values:
        value.name = _new(value.name, names, prefix)
    for sparse in graph.sparse_initializer:
        sparse.values.name = _new(sparse.values.name, names, prefix)


def _new(name: str, names: dict[str, str], prefix: str) -> str:
    return names.setdefault(name, f"{prefix}{len(names)}") if name else ""


def _strip(message: object) -> None:
    """Clear the fields that carry no meaning, where the message has them."""
    known = {field.name for field in message.DESCRIPTOR.fields}  # type: ignore[attr-defined]
    for field in {"doc_string", "metadata_props", "value_info", "quantization_annotation"} & known:
        message.ClearField(field)  # type: ignore[attr-defined]
