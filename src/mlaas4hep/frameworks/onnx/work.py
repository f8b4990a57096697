"""Whether the work of an ONNX model follows from the shapes of its inputs, or also from their values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlaas4hep.frameworks.onnx.walk import inputs_of, subgraphs

__all__ = ["depends_on_values"]

SIZED: Final[Mapping[str, tuple[int, ...]]] = {
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "ConstantOfShape": (0,),
    "DFT": (1,),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "Loop": (0, 1),
    "OneHot": (1,),
    "Pad": (1,),
    "Range": (0, 1, 2),
    "Resize": (2, 3),
    "Tile": (1,),
    "Upsample": (1,),
}
"""Operators whose output is as large, or that run as often, as the values of these inputs say."""
SHAPES: Final = frozenset({"Shape", "Size"})


def depends_on_values(path: Path) -> bool:
    """Return true if a short request can mean any amount of work: such a model is not run in the event loop.

    A loop counts if its number of steps, or whether it goes on, comes of values of the inputs.

    Args:
        path: the ONNX file; its weights in other files are not read.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    return bool(model.functions) or _depends(model.graph, {entry.name for entry in inputs_of(model.graph)})


def _depends(graph: Any, values: set[str]) -> bool:
    """The same for a graph, `values` being the names that carry values of the inputs; they are added to."""
    for node in graph.node:
        given = node.input
        if any(index < len(given) and given[index] in values for index in SIZED.get(node.op_type, ())):
            return True
        inner = list(subgraphs(node))
        carried = any(name in values for name in given)
        for part in inner:
            inside = values | {entry.name for entry in part.input}
            if _depends(part, inside) or (node.op_type == "Loop" and part.output[0].name in inside - _passed_on(part)):
                return True
            carried = carried or any(entry.name in inside for entry in part.output)
        if carried and node.op_type not in SHAPES:
            values.update(node.output)
    return False


def _passed_on(body: Any) -> set[str]:
    """The condition of a loop's body that is only handed on."""
    condition = {body.input[1].name} if len(body.input) > 1 else set()
    for node in body.node:
        if node.op_type == "Identity" and node.input[0] in condition:
            condition.update(node.output)
    return condition
