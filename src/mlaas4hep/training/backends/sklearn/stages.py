"""Learning curves of scikit-learn's boosted trees: loss and accuracy after each stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.backends.losses import class_losses
from mlaas4hep.training.events.base import Events, Task

__all__ = ["staged_curves"]


def staged_curves(model: Any, events: Events, task: Task) -> dict[str, list[float]] | None:
    """Weighted mean loss (and accuracy) of the events after each stage.

    Args:
        model: trained; a pipeline counts as its last step.
        events: seen once.
        task: binary, multiclass or regression.

    Returns:
        Name to a value a stage; empty without events; None for a model without stages.
    """
    if _stages(model, np.zeros((1, events.width), np.float32), task) is None:
        return None
    total = 0.0
    losses: NDArray[np.float64] | None = None
    rights: NDArray[np.float64] | None = None
    for chunk in events.chunks(0):
        weight = chunk.weight.astype(np.float64)
        rows = []
        for values in _stages(model, chunk.x, task) or ():
            scores = np.asarray(values, np.float32).reshape(len(chunk), -1)
            if task == "binary":
                scores = scores[:, -1:]
            right = 0.0
            if task != "regression":
                guess = scores[:, 0] >= 0.5 if task == "binary" else scores.argmax(axis=1)
                right = float(weight @ (guess == chunk.y))
            rows.append((float(weight @ class_losses(scores, chunk.y, task)), right))
        table = np.array(rows)
        losses = table[:, 0] if losses is None else losses + table[:, 0]
        rights = table[:, 1] if rights is None else rights + table[:, 1]
        total += float(weight.sum())
    if losses is None or rights is None or total <= 0.0:
        return {}
    curves = {"loss": (losses / total).tolist()}
    if task != "regression":
        curves["accuracy"] = (rights / total).tolist()
    return curves


def _stages(model: Any, x: NDArray[np.float32], task: Task) -> Iterator[Any] | None:
    from sklearn.pipeline import Pipeline

    if isinstance(model, Pipeline):
        last = model.steps[-1][1]
        name = _name(task)
        return getattr(last, name)(model[:-1].transform(x)) if hasattr(last, name) else None
    return getattr(model, _name(task))(x) if hasattr(model, _name(task)) else None


def _name(task: Task) -> str:
    return "staged_predict" if task == "regression" else "staged_predict_proba"
