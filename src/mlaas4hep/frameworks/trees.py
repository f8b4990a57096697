"""What boosted trees of all makers share: rows of features in, one matrix of scores out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.foreign import Native
from mlaas4hep.frameworks.onnx.names import IR_VERSION, rename_inside
from mlaas4hep.frameworks.tensors import FEATURES, SCORES, Tensors, TensorSpec

__all__ = ["cuts_of", "save_scores", "tree_native"]


def tree_native(
    platform: str,
    columns: tuple[str, ...],
    width: int,
    outputs: int,
    predict: Callable[[NDArray[np.float32]], NDArray[Any]],
    model: Any,
    cuts: dict[int, NDArray[Any]],
) -> Native:
    """Return a model of `width` features, named by `columns` if they have names, with `outputs` scores."""

    def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
        rows = np.ascontiguousarray(inputs[FEATURES], np.float32)
        return {SCORES: np.asarray(predict(rows), np.float32).reshape(len(rows), outputs)}

    return Native(
        platform=platform,
        inputs=(TensorSpec(FEATURES, "float32", (-1, width), columns if len(columns) == width else ()),),
        outputs=(TensorSpec(SCORES, "float32", (-1, outputs)),),
        run=run,
        batched=True,
        model=model,
        cuts=cuts,
        spread=True,
    )


def cuts_of(columns: Any, values: Any) -> dict[int, NDArray[Any]]:
    """Return cuts by column, from columns and values of all splits."""
    numbers, edges = np.asarray(columns, int), np.asarray(values, np.float64)
    return {int(column): np.unique(edges[numbers == column]) for column in np.unique(numbers)}


def save_scores(model: Any, outputs: int, target: Path, given: int | None = None) -> None:
    """Reduce a converted model to one output ``scores`` [N, outputs], and write it.

    Converters put the numbers last, after the label.

    Args:
        model: changed in place.
        outputs: columns of the scores, kept from the end: of two classes the second where it is 1.
        target: the file.
        given: columns of the converter's numbers; None: as the model states, if that is not less than `outputs`.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = model.graph
    last = graph.output[-1]
    rename_inside(graph, {SCORES: f"{SCORES}__inner"})
    last.name = f"{SCORES}__inner" if last.name == SCORES else last.name
    columns = last.type.tensor_type.shape.dim
    stated = columns[1].dim_value if len(columns) == 2 else 0
    given = given or max(stated, outputs)  # of several targets converters may state one
    wanted = range(given - outputs, given)
    graph.initializer.append(helper.make_tensor(f"{SCORES}_shape", TensorProto.INT64, [2], [-1, given]))
    graph.initializer.append(helper.make_tensor(f"{SCORES}_wanted", TensorProto.INT64, [outputs], wanted))
    # These are the same in every opset from 5 on: converters write whichever suffices them
    graph.node.append(helper.make_node("Reshape", [last.name, f"{SCORES}_shape"], [f"{SCORES}_matrix"]))
    graph.node.append(helper.make_node("Gather", [f"{SCORES}_matrix", f"{SCORES}_wanted"], [f"{SCORES}_kept"], axis=1))
    graph.node.append(helper.make_node("Cast", [f"{SCORES}_kept"], [SCORES], to=TensorProto.FLOAT))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["N", outputs]))
    model.ir_version = min(model.ir_version, IR_VERSION)
    onnx.save(model, target)
