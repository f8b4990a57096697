"""What the outputs of a Keras model mean: how many, logits or probabilities, and which labels its loss wants."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.training.backends.logits import LossFunction, Reading, reading_of
from mlaas4hep.training.events.base import Task
from mlaas4hep.training.events.outputs import Said

__all__ = [
    "activation_missing",
    "compile_if_needed",
    "divides_by_events",
    "has_own_fit",
    "labels_for",
    "loss_function",
    "loss_name",
    "note_outputs",
    "outputs_of",
    "said_of",
]

_OF_PROBABILITIES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
_OUTPUTS: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
_READINGS: WeakKeyDictionary[Any, Reading] = WeakKeyDictionary()


def has_own_fit(model: Any) -> bool:
    """Return true for a subclass that defines ``fit`` itself."""
    return not str(type(model).fit.__module__).startswith("keras.")


def loss_name(model: Any) -> str:
    """Return the name of the loss in snake case, e.g. ``categorical_crossentropy``; empty if it cannot be told."""
    loss = getattr(model, "loss", None)
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None) or getattr(loss, "name", "")
    text = str(name or "")
    if text.islower() or not text:
        return text
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in text).lstrip("_")


def activation_missing(model: Any, task: Task, outputs: int) -> str | None:
    """Sigmoid or Softmax if the outputs are logits, which the loss knows (``from_logits=True`` or by itself)."""
    if task == "regression" or not _reading(model, task, outputs).logits:
        return None
    return "Sigmoid" if outputs == 1 or "binary" in loss_name(model) else "Softmax"


def said_of(model: Any, task: Task, outputs: int) -> Said:
    """Return what the loss says about the scores: decision values where its own cut is not at 0.5."""
    if task == "regression":
        return Said()
    reading = _reading(model, task, outputs)
    if reading.logits:
        return Said(raw="sigmoid" if activation_missing(model, task, outputs) == "Sigmoid" else "softmax")
    if outputs > 1:
        return Said()
    return Said.cut_at(reading.threshold)


def loss_function(model: Any, task: Task, outputs: int) -> LossFunction:
    """Return the loss of the compiled model for one event."""
    import keras

    loss = keras.losses.get(model.loss)

    def value(numbers: NDArray[np.float32], y: float) -> float:
        kind = np.float32 if task == "regression" else np.int64
        labels = labels_for(model, outputs, task, np.array([y], kind))
        return float(np.mean(keras.ops.convert_to_numpy(loss(labels, numbers[np.newaxis]))))

    return value


def divides_by_events(model: Any) -> bool:
    """Return true if the loss is the sum of weighted losses over the number of events, as it is by default."""
    reduction = getattr(getattr(model, "loss", None), "reduction", "sum_over_batch_size")
    return reduction in ("sum_over_batch_size", "mean")


def note_outputs(model: Any, outputs: int) -> None:
    """Keep the number of outputs, which a subclass does not know itself."""
    _OUTPUTS[model] = outputs


def outputs_of(model: Any) -> int:
    """Return the number of outputs: as noted, else as the model says; 1 if it does not."""
    if model in _OUTPUTS:
        return _OUTPUTS[model]
    shape = getattr(model, "output_shape", None) if model.built else None
    return int(shape[-1]) if shape and len(shape) > 1 else 1


def _reading(model: Any, task: Task, outputs: int) -> Reading:
    """How the loss reads the outputs; found once for each model."""
    known = _READINGS.get(model)
    if known is None:
        known = _READINGS[model] = _read(model, task, outputs)
    return known


def _read(model: Any, task: Task, outputs: int) -> Reading:
    loss = getattr(model, "loss", None)
    if getattr(loss, "from_logits", False):
        return Reading(True)
    if loss is None or isinstance(loss, (list, tuple, dict)) or loss_name(model) in _OF_PROBABILITIES:
        return Reading(False)
    return reading_of(loss_function(model, task, outputs), outputs)


def compile_if_needed(model: Any, width: int, outputs: int, task: Task) -> None:
    """Compile an uncompiled model with Adam(1e-3) and the loss for the task and outputs."""
    import keras

    if model.compiled:
        return
    logits = task != "regression" and _gives_logits(model, width)
    loss: Any
    if task == "regression":
        loss = "mean_squared_error"
    elif outputs == 1:
        loss = keras.losses.BinaryCrossentropy(from_logits=logits)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)


def labels_for(model: Any, outputs: int, task: Task, y: NDArray[Any]) -> NDArray[Any]:
    """Labels as the loss wants them.

    Returns:
        float32 [N, 1] for one output; for more int64 [N] with sparse losses, else one-hot float32 [N, C].
    """
    if task == "regression" or outputs == 1:
        return np.asarray(y, np.float32).reshape(-1, 1)
    if loss_name(model).startswith("sparse"):
        return np.asarray(y, np.int64)
    return np.asarray(np.eye(outputs, dtype=np.float32)[y])


def _gives_logits(model: Any, width: int) -> bool:
    """True if the last layer of a Sequential has no activation, or outputs of another model leave [0, 1]."""
    import keras

    layers = getattr(model, "layers", [])
    if layers and isinstance(model, keras.Sequential) and hasattr(layers[-1], "activation"):
        return bool(layers[-1].activation is keras.activations.linear)
    large = np.random.default_rng(0).normal(scale=1e3, size=(256, width)).astype(np.float32)
    values = model.predict_on_batch(large)
    return bool((values < 0).any() or (values > 1).any())
