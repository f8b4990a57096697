"""Keras models whose class has a ``fit`` of its own."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from mlaas4hep.training.backends.base import FitSettings, History, Predict
from mlaas4hep.training.backends.keras.outputs import labels_for
from mlaas4hep.training.backends.losses import evaluate
from mlaas4hep.training.backends.passes import DEFAULT_EPOCHS
from mlaas4hep.training.events.base import Arrays, Events
from mlaas4hep.training.user_code.user_model import user_errors

__all__ = ["own_fit"]


def _in_training_order(events: Events) -> Arrays:
    """All events in memory in the order of the first epoch, with the classes mixed.

    Raises:
        MemoryLimitError: they do not fit.
    """
    if not events.fits():
        return events.load()
    parts = list(events.chunks(0))
    return Arrays(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "weight")))


def own_fit(
    model: Any, outputs: int, train: Events, validation: Events, settings: FitSettings, predict: Predict
) -> History:
    """Call the subclass's ``fit`` with all events in memory and the arguments it takes."""
    data = _in_training_order(train)
    task = settings.task
    y = labels_for(model, outputs, task, data.y)
    parameters = inspect.signature(model.fit).parameters
    everything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if settings.order == "chunk" or settings.early_stopping:
        settings.warn("the Keras model has its own fit, which decides the order and when to stop")
    offered: dict[str, Any] = {
        "epochs": settings.epochs or DEFAULT_EPOCHS,
        "batch_size": settings.batch_size,
        "shuffle": settings.shuffle,
        "verbose": settings.verbose,
    }
    if validation.size:
        other = validation.load()
        offered["validation_data"] = (other.x, labels_for(model, outputs, task, other.y))
    if train.weighted and ("sample_weight" in parameters or everything):
        offered["sample_weight"] = data.weight
        if validation.size:
            offered["validation_data"] = (*offered["validation_data"], other.weight)
    elif train.weighted:
        settings.warn("the Keras model's own fit takes no sample_weight: all events count the same in training")
    passed = {name: value for name, value in offered.items() if everything or name in parameters}
    with user_errors(settings.file, "the Keras model's own fit failed"):
        result = model.fit(data.x, y, **passed)
    curves = {str(k): [float(v) for v in values] for k, values in (getattr(result, "history", None) or {}).items()}
    if "loss" not in curves:
        for part, prefix in ((train, ""), (validation, "val_")):
            figures = evaluate(part, lambda x: predict(model, x, task), task)
            curves |= {prefix + name: [value] for name, value in figures.items()}
    epochs = len(curves.get("loss", [0.0]))
    settings.progress(epochs - 1, train.size, {name: values[-1] for name, values in curves.items() if values})
    return History(curves=curves, epochs=epochs)
