"""What the ONNX models of all backends have in common: names, versions, the form of the output."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlaas4hep.errors import ConversionError
from mlaas4hep.frameworks.onnx.names import IR_VERSION, ML_OPSET, OPSET
from mlaas4hep.frameworks.onnx.walk import subgraphs

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.events.base import Task

__all__ = ["conversion", "finish", "quiet", "width_of"]

_STABLE = ("Add", "Cast", "Exp", "Identity", "Mul", "Reshape", "Sigmoid", "Sub")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters print, log and warn of away from the user."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@contextlib.contextmanager
def conversion(model: object) -> Iterator[None]:
    """Turn whatever a converter raises into a ConversionError, quietly."""
    try:
        with quiet():
            yield
    except ConversionError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        reason = f"{type(error).__name__}: {text[:300]}"
        raise ConversionError(f"{type(model).__name__} cannot be converted to ONNX: {reason}") from error


def width_of(output: Any) -> int | None:
    """Size of the last axis of a graph output of rank 2; None if it is not stated or the rank is another."""
    dims = output.type.tensor_type.shape.dim
    return dims[1].dim_value or None if len(dims) == 2 else None


def finish(
    model: onnx.ModelProto,
    width: int,
    task: Task,
    *,
    output: str,
    outputs: int,
    activation: str | None = None,
    double: bool = False,
) -> onnx.ModelProto:
    """Give a converted graph the form the bundle expects.

    Input ``x`` float32 [N, width]; one output ``scores``, float32: binary [N, 1], multiclass [N, C], regression [N, 1].

    Args:
        model: has one input, of any name; the tensor named ``output`` holds ``outputs`` columns.
        width: number of input columns.
        task: decides the form of ``scores``.
        output: name of the tensor the scores are made of.
        outputs: its number of columns.
        activation: Sigmoid or Softmax, to be applied first.
        double: true if the graph computes in float64 and wants float64 input.
    """
    import onnx.compose
    import onnx.version_converter
    from onnx import TensorProto, helper

    if _opset(model) not in (None, OPSET) and any(n.op_type not in _STABLE for n in model.graph.node if not n.domain):
        model = onnx.version_converter.convert_version(model, OPSET)
    graph = onnx.compose.add_prefix_graph(model.graph, "inner/")
    entry = TensorProto.DOUBLE if double else TensorProto.FLOAT
    nodes = [helper.make_node("Cast", ["x"], [graph.input[0].name], name="entry", to=entry)]
    nodes += _needed(list(graph.node), f"inner/{output}")
    for item in (*nodes, *graph.initializer):  # exporters note the user's paths there
        item.ClearField("doc_string")
        item.ClearField("metadata_props")
    current = f"inner/{output}"

    def step(kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    used = {name for node in nodes for name in _reads(node)}
    constants = [initializer for initializer in graph.initializer if initializer.name in used]

    def constant(name: str, values: list[int]) -> str:
        constants.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name

    if activation:
        axis = {"axis": 1} if activation == "Softmax" else {}
        current = step(activation, [current], "scores_activated", **axis)
    columns = 1 if task != "multiclass" else outputs
    if task == "binary" and outputs == 2:
        axes = [constant("scores_one", [1]), constant("scores_two", [2]), "scores_one"]
        current = step("Slice", [current, *axes], "scores_signal")
    current = step("Reshape", [current, constant("scores_shape", [-1, columns])], "scores_shaped")
    step("Cast", [current], "scores", to=TensorProto.FLOAT)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "model",
        [value("x", TensorProto.FLOAT, ["N", width])],
        [value("scores", TensorProto.FLOAT, ["N", columns])],
        initializer=constants,
    )
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


def _reads(node: Any) -> set[str]:
    """Tensors a node reads, also those of the graphs within it."""
    names = set(node.input)
    for graph in subgraphs(node):
        names.update(*(_reads(inner) for inner in graph.node))
    return names


def _needed(nodes: list[Any], output: str) -> list[Any]:
    """The nodes that the output depends on, in their order."""
    wanted = {output}
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted |= _reads(node)
    return kept[::-1]
