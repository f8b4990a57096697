"""Inputs and outputs of an ONNX model under other names; its file small enough and of versions every runtime knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlaas4hep.frameworks.onnx.walk import inputs_of, subgraphs

if TYPE_CHECKING:
    import onnx

__all__ = ["IR_VERSION", "ML_OPSET", "OPSET", "rename", "rename_inside"]

OPSET = 18
ML_OPSET = 3
IR_VERSION = 8


def rename(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Give the inputs and outputs these names, by position.

    Raises:
        ValueError: there are not as many.
    """
    entries = inputs_of(model.graph)
    if len(entries) != len(inputs) or len(model.graph.output) != len(outputs):
        msg = f"the converter made {len(entries)} inputs and {len(model.graph.output)} outputs"
        raise ValueError(msg)
    table: dict[str, str] = {}
    for entry, name in zip((*entries, *model.graph.output), (*inputs, *outputs), strict=True):
        if table.setdefault(entry.name, name) != name:
            msg = f"{entry.name} is input and output"
            raise ValueError(msg)
        entry.name = name
    used = {name for node in model.graph.node for name in node.output} - set(table)
    clash = {name: f"{name}__inner" for name in used & set(table.values())}
    rename_inside(model.graph, {**clash, **table})


def rename_inside(graph: onnx.GraphProto, table: Mapping[str, str]) -> None:
    """Give tensors other names wherever nodes use them, also in inner graphs."""
    for node in graph.node:
        node.input[:] = [table.get(name, name) for name in node.input]
        node.output[:] = [table.get(name, name) for name in node.output]
        for inner in subgraphs(node):
            rename_inside(inner, table)
    for value in graph.value_info:
        value.name = table.get(value.name, value.name)
