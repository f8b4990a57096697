"""Frozen graphs of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Native, Source, node_names
from mlaas4hep.frameworks.tensorflow.common import check_graph, known_spec, native, tensorflow, to_onnx
from mlaas4hep.frameworks.tensors import TensorSpec

__all__ = ["load", "to_onnx"]

NO_RESULT: Final = {"NoOp", "Const", "Assert", "Placeholder", "PlaceholderWithDefault"}


def load(source: Source) -> Native:
    """Load; inputs and outputs as params.json or config.pbtxt names them, else as found in the graph.

    Raises:
        ModelRefusedError: a named node is not there, none is found, or the graph reaches out of itself.
    """
    tf = tensorflow(source.threads)
    graph = tf.compat.v1.GraphDef.FromString(source.path.read_bytes())
    check_graph(graph)
    feeds = _names(graph, source, "input", [n.name for n in graph.node if n.op.startswith("Placeholder")])
    fetches = _names(graph, source, "output", _ends(graph))
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    try:
        tensors = [[wrapped.graph.as_graph_element(_tensor(name)) for name in names] for names in (feeds, fetches)]
    except (KeyError, ValueError) as error:
        what = f"the frozen graph has no such tensor: {error}"
        raise ModelRefusedError(what) from error
    function = wrapped.prune(*tensors)
    said = {spec.name: spec for spec in (*source.inputs, *source.outputs)}
    inputs = tuple(_spec(name, tensor, said) for name, tensor in zip(feeds, tensors[0], strict=True))
    outputs = tuple(_spec(name, tensor, said) for name, tensor in zip(fetches, tensors[1], strict=True))

    def call(values: Sequence[Any]) -> list[Any]:
        return list(function(*values))

    return native("tensorflow_graphdef", call, inputs, outputs, wrapped)


def _names(graph: Any, source: Source, side: str, found: list[str]) -> list[str]:
    """Names without ``:0``: those of the hints if they are in the graph, else what was found."""
    specs = source.inputs if side == "input" else source.outputs
    there = {node.name for node in graph.node}
    named = [name.removesuffix(":0") for name in (*(s.name for s in specs), *node_names(source.params, side))]
    named = list(dict.fromkeys(named))
    missing = [name for name in named if name.partition(":")[0] not in there]
    if missing:
        what = f"the frozen graph has no node {missing[0]!r}"
        raise ModelRefusedError(what, hint=f"its {side}s may be: {', '.join(found[:8])}")
    names = named or found
    if not names:
        what = f"no {side} was found in the frozen graph"
        raise ModelRefusedError(what, hint=f"name it as {side}_node in params.json")
    return names


def _ends(graph: Any) -> list[str]:
    """Nodes whose results no other node takes."""
    used = {name.lstrip("^").partition(":")[0] for node in graph.node for name in node.input}
    return [node.name for node in graph.node if node.name not in used and node.op not in NO_RESULT]


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"


def _spec(name: str, tensor: Any, said: dict[str, TensorSpec]) -> TensorSpec:
    known = said.get(name) or said.get(f"{name}:0")
    if known is not None and tensor.shape.rank in {None, len(known.shape)}:
        return TensorSpec(name, known.dtype, known.shape)
    return known_spec(name, tensor)
