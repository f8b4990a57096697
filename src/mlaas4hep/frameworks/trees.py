"""What boosted trees of all makers share: rows of features in, one matrix of scores out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.foreign import Native
from mlaas4hep.frameworks.tensors import FEATURES, SCORES, Tensors, TensorSpec

__all__ = ["cuts_of", "tree_native"]


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
