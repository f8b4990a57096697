"""What boosted trees of all makers share: rows of features in, one matrix of scores out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.inference.foreign.base import FEATURES, SCORES, Native
from mlaas4hep.inference.foreign.onnx_names import IR_VERSION
from mlaas4hep.inference.runtimes.base import Tensors, TensorSpec

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
    """A model of `width` features, named by `columns` if they have names, with `outputs` scores."""

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
    )


def cuts_of(columns: Any, values: Any) -> dict[int, NDArray[Any]]:
    """Cuts by column, from columns and values of all splits."""
    numbers, edges = np.asarray(columns, int), np.asarray(values, np.float64)
    return {int(column): np.unique(edges[numbers == column]) for column in np.unique(numbers)}


def save_scores(model: Any, outputs: int, target: Path) -> None:
    """Reduce a converted model to one output ``scores`` [N, outputs], and write it.

    Converters give the label first and the numbers last; of two classes the second is kept where `outputs` is 1.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = model.graph
    last = graph.output[-1]
    columns = last.type.tensor_type.shape.dim
    size = columns[1].dim_value if len(columns) == 2 else 1
    kept = [outputs] if size in {outputs, 0} else [1]
    start = helper.make_tensor("scores_start", TensorProto.INT64, [1], [0 if size in {outputs, 0} else size - 1])
    end = helper.make_tensor("scores_end", TensorProto.INT64, [1], [kept[0] if size in {outputs, 0} else size])
    axis = helper.make_tensor("scores_axis", TensorProto.INT64, [1], [1])
    shape = helper.make_tensor("scores_shape", TensorProto.INT64, [2], [-1, size or outputs])
    graph.initializer.extend([start, end, axis, shape])
    graph.node.extend(
        [
            helper.make_node("Reshape", [last.name, "scores_shape"], ["scores_matrix"]),
            helper.make_node("Slice", ["scores_matrix", "scores_start", "scores_end", "scores_axis"], [SCORES]),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["N", outputs]))
    model.ir_version = min(model.ir_version, IR_VERSION)
    onnx.save(model, target)
