"""Weighted losses in numpy, the same for every framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.events.base import Events, Task

__all__ = ["class_losses", "evaluate"]

_EPSILON = 1e-7


def class_losses(
    scores: NDArray[np.float32], y: NDArray[Any], task: Task, *, decision: bool = False
) -> NDArray[np.float64]:
    """Loss of each event, float64 [N]: cross entropy (probabilities kept 1e-7 away from 0 and 1) or squared error.

    Of decision values it is the hinge loss: 1 minus the margin by which the right class leads, at least 0.

    Args:
        scores: as `Backend.predict` gives them.
        y: as in `Arrays`.
        task: binary, multiclass or regression.
        decision: true for decision values.
    """
    values = scores.astype(np.float64)
    if task == "regression":
        return np.asarray((values[:, 0] - y) ** 2)
    if decision and task == "binary":
        return np.maximum(0.0, 1.0 - np.where(y == 1, 1.0, -1.0) * values[:, 0])
    if decision:
        rows = np.arange(len(y))
        right = values[rows, y]
        others = values.copy()
        others[rows, y] = -np.inf
        return np.asarray(np.maximum(0.0, 1.0 + others.max(axis=1, initial=-np.inf) - right))
    classes = np.concatenate([1.0 - values, values], axis=1) if task == "binary" else values
    right = classes[np.arange(len(y)), y]
    return np.asarray(-np.log(np.clip(right, _EPSILON, 1.0 - _EPSILON)))


def evaluate(
    events: Events,
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    task: Task,
    *,
    decision: bool = False,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Weighted mean loss (and accuracy for classification) over all events, chunk by chunk; see `class_losses`.

    Returns:
        ``loss`` and ``accuracy``; nothing if there are no events.
    """
    total = loss = right = 0.0
    for chunk in events.chunks(0):
        weight = chunk.weight.astype(np.float64)
        scores = predict(chunk.x)
        total += float(weight.sum())
        loss += float(weight @ class_losses(scores, chunk.y, task, decision=decision))
        if task != "regression":
            guess = scores[:, 0] >= threshold if task == "binary" else scores.argmax(axis=1)
            right += float(weight @ (guess == chunk.y))
    if total <= 0.0:
        return {}
    means = {"loss": loss / total}
    if task != "regression":
        means["accuracy"] = right / total
    return means
