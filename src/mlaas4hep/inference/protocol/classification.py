"""The classification extension: the largest scores of each row with their classes instead of all scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.answers import Inferred
from mlaas4hep.inference.models.plane import DataPlane
from mlaas4hep.inference.protocol.datatypes import Array

__all__ = ["classified", "classify"]


def classified(plane: DataPlane, inferred: Inferred, output: str, number: object) -> Array:
    """Return the `number` largest entries of an output, with the class names of the output or else of the model.

    Raises:
        BadRequestError: as `classify`.
    """
    info = plane.info(inferred.model, inferred.version)
    array = inferred.outputs[output]
    columns = next((spec.columns for spec in info.outputs if spec.name == output), ())
    width = array.shape[-1] if array.ndim else 1
    labels = next((names for names in (columns, info.classes) if len(names) == width), ())
    return classify(output, array, number, labels, batched=info.batched)


def classify(tensor: str, scores: Array, number: object, labels: Sequence[str], *, batched: bool) -> Array:
    """Return the largest scores of each row.

    Args:
        tensor: name of the output, for errors.
        scores: [N, ...], or without the row axis.
        number: how many to give, from 1 on; at most as many as there are.
        labels: class names by index; may be empty.
        batched: true if the first axis counts rows.

    Returns:
        [N, number] of str ``score:index`` or ``score:index:label``, the largest first.

    Raises:
        BadRequestError: the output does not hold numbers, or `number` is not a number from 1 on.
    """
    where = f"output {tensor!r}"
    if type(number) is not int or number < 1:
        raise BadRequestError(f"classification must be a number of classes from 1 on, not {number!r}", where=where)
    if scores.dtype.kind not in "fiub":
        raise BadRequestError("only numbers can be classified", where=where)
    by_row = batched and scores.ndim > 0
    rows = scores.reshape(len(scores), int(np.prod(scores.shape[1:]))) if by_row else scores.reshape(1, -1)
    order = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :number]
    result = np.empty(order.shape, object)
    for row, indices in enumerate(order.tolist()):
        for place, index in enumerate(indices):
            label = f":{labels[index]}" if index < len(labels) else ""
            result[row, place] = f"{float(rows[row, index]):f}:{index}{label}"
    return result if by_row else result[0]
