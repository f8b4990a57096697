"""Names in ONNX graphs, and what is taken out of a model so that its bytes depend on the model alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

__all__ = ["clean", "names_in", "rename"]


def clean(model: onnx.ModelProto) -> None:
    """Remove what does not change the result: producer, comments, metadata (they hold paths), inferred shapes."""
    for field in ("producer_name", "producer_version", "domain", "model_version", "doc_string", "metadata_props"):
        model.ClearField(field)
    for graph in _graphs(model.graph):
        _strip(graph)
        for value in (*graph.input, *graph.output, *graph.initializer, *graph.sparse_initializer):
            _strip(value)
    for function in model.functions:
        _strip(function)
    for node in _all_nodes(model):
        _strip(node)
        for attribute in node.attribute:
            _strip(attribute)
            if attribute.HasField("t"):
                _strip(attribute.t)


def names_in(graph: onnx.GraphProto) -> set[str]:
    """Names of all values of a graph and of the graphs inside it."""
    names = set()
    for inner in _graphs(graph):
        names |= {value.name for value in (*inner.input, *inner.output, *inner.initializer)}
        names |= {name for node in inner.node for name in (*node.input, *node.output)}
    return names - {""}


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Give a value another name, in the graph and in the graphs inside it."""
    for inner in _graphs(graph):
        for value in (*inner.input, *inner.output, *inner.initializer, *inner.value_info):
            if value.name == old:
                value.name = new
        for sparse in inner.sparse_initializer:
            if sparse.values.name == old:
                sparse.values.name = new
        for node in inner.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all graphs in the attributes of its nodes."""
    yield graph
    for inner in _subgraphs(graph.node):
        yield from _graphs(inner)


def _subgraphs(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.GraphProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
            yield from attribute.graphs


def _all_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for graph in _graphs(model.graph):
        yield from graph.node
    for function in model.functions:
        yield from function.node
        for inner in _subgraphs(function.node):
            for graph in _graphs(inner):
                yield from graph.node


def _strip(message: object) -> None:
    """Clear the fields that carry no meaning, where the message has them."""
    known = {field.name for field in message.DESCRIPTOR.fields}  # type: ignore[attr-defined]
    for field in {"doc_string", "metadata_props", "value_info"} & known:
        message.ClearField(field)  # type: ignore[attr-defined]
