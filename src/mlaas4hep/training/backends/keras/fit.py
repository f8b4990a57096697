"""Training of Keras models: the engine gets the batches in our order, and the loop around it is ours."""

from __future__ import annotations

import inspect
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.base import FitSettings, History, Predict
from mlaas4hep.training.backends.keras.outputs import (
    check_outputs,
    compile_if_needed,
    divides_by_events,
    has_own_fit,
    labels_for,
    note_outputs,
)
from mlaas4hep.training.backends.loop import run_passes
from mlaas4hep.training.backends.numbers import evaluate
from mlaas4hep.training.backends.passes import DEFAULT_EPOCHS, Pass
from mlaas4hep.training.events.base import Arrays, Events
from mlaas4hep.training.user_code.user_model import user_errors

__all__ = ["fit"]

_VALIDATION_BATCH = 4096


def fit(model: Any, train: Events, validation: Events, settings: FitSettings, predict: Predict) -> History:
    """Train in place, as described in `KerasBackend.fit`."""
    file = str(getattr(settings.module, "__file__", "model"))
    outputs = ready(model, train.width, settings)
    if has_own_fit(model):
        return _own_fit(model, outputs, train, validation, settings, file, predict)
    learner = _Learner(model, outputs, train, validation, settings, file)
    learner.prepare()
    return run_passes(learner, train, validation, settings)


def ready(model: Any, width: int, settings: FitSettings) -> int:
    """Call and compile the model, if it is not yet compiled; the number of its outputs.

    Raises:
        ModelFileError: the outputs do not fit the task, or the model raises.
    """
    file = str(getattr(settings.module, "__file__", "model"))
    with user_errors(file, "the Keras model cannot be called"):
        outputs = _count_outputs(model, width)
    check_outputs(outputs, settings.task, settings.classes)
    note_outputs(model, outputs)
    with user_errors(file, "the Keras model cannot be compiled"):
        compile_if_needed(model, width, outputs, settings.task)
    _epsilon_of_keras_2(model)
    if not isinstance(model.loss, str) and isinstance(model.loss, (list, tuple, dict)):
        raise ModelFileError("the Keras model has several losses", where=file, hint="give it one output and one loss")
    return outputs


def _epsilon_of_keras_2(model: Any) -> None:
    """``epsilon=None`` was Keras 2's word for the default."""
    import keras

    if getattr(model.optimizer, "epsilon", 0.0) is None:
        model.optimizer.epsilon = keras.config.epsilon()


def _count_outputs(model: Any, width: int) -> int:
    result = model(np.zeros((2, width), np.float32))
    shape = getattr(result, "shape", None)
    if shape is None or len(shape) > 2:
        raise ModelFileError("the Keras model must give one output of shape [events, classes]")
    return int(shape[1]) if len(shape) == 2 else 1


@dataclass
class _Learner:
    """A Keras model as the loop sees it."""

    model: Any
    outputs: int
    train: Events
    validation: Events
    settings: FitSettings
    file: str
    error: list[Exception] = field(default_factory=list)
    warm: bool = False

    def prepare(self) -> None:
        """Make the optimizer's variables, so that a state has all there is."""
        self.model.optimizer.build(self.model.trainable_variables)

    def learn(self, part: Pass) -> dict[str, float]:
        size = self.settings.batch_size
        scale = _Scale(divides_by_events(self.model))
        whole = _tensorflow() and part.even()
        callbacks = [_progress_callback(part, self.settings, self.error)]
        if not self.warm:
            # What the engine does once, before the first batch, may draw random numbers: undo that, so that a resumed
            # training draws the same ones as one without interruption.
            callbacks.append(_on_epoch_begin(partial(self.restore, self.state())))
            self.warm = True
        result = self._run(
            self.model.fit,
            self._input(part.blocks if whole else part.batches, scale, size if whole else None),
            epochs=1,
            steps_per_epoch=part.steps(),
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
        figures = {name: float(values[-1]) for name, values in result.history.items()}
        return scale.applied(figures)

    def validate(self) -> dict[str, float]:
        if self.validation.size == 0:
            return {}
        scale = _Scale(divides_by_events(self.model))
        batches = partial(self.validation.batches, _VALIDATION_BATCH, 0)
        figures = self._run(
            self.model.evaluate,
            self._input(batches, scale, _VALIDATION_BATCH),
            steps=math.ceil(self.validation.size / _VALIDATION_BATCH),
            verbose=0,
            return_dict=True,
        )
        return scale.applied({name: float(value) for name, value in figures.items()})

    def state(self) -> bytes:
        arrays = {f"v{i}": _numpy(v) for i, v in enumerate(self._variables())}
        if self._torch():
            import torch

            arrays["torch_rng"] = torch.get_rng_state().numpy()
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    def restore(self, state: bytes) -> None:
        with np.load(io.BytesIO(state), allow_pickle=False) as arrays:
            variables = self._variables()
            shapes = [arrays[name].shape for name in arrays.files if name != "torch_rng"]
            if shapes != [tuple(variable.shape) for variable in variables]:
                hint = "train without resuming"
                raise ModelFileError("the checkpoint belongs to another model", where=self.file, hint=hint)
            for i, variable in enumerate(variables):
                variable.assign(arrays[f"v{i}"])
            if "torch_rng" in arrays.files:
                import torch

                torch.set_rng_state(torch.from_numpy(arrays["torch_rng"].copy()))

    def _variables(self) -> list[Any]:
        own = [v for v in self.model.variables if not _is_metric(v)]
        return [*own, *self.model.optimizer.variables]

    def _torch(self) -> bool:
        import keras

        return bool(keras.backend.backend() == "torch")

    def _input(self, source: Callable[[], Iterator[Arrays]], scale: _Scale, size: int | None) -> Any:
        """What the engine reads from: batches of ``size`` events (None: as they come), some of them ahead."""
        if not _tensorflow():
            return self._feed(source(), scale)
        import tensorflow as tf

        dtype, shape = self._label_shape()
        signature = (
            tf.TensorSpec((None, None), tf.float32),
            tf.TensorSpec(shape, dtype),
            tf.TensorSpec((None,), tf.float32),
        )
        events = tf.data.Dataset.from_generator(lambda: self._feed(source(), scale), output_signature=signature)
        return events.prefetch(8) if size is None else events.prefetch(1).rebatch(size).prefetch(8)

    def _label_shape(self) -> tuple[str, tuple[int | None, ...]]:
        probe = labels_for(self.model, self.outputs, self.settings.task, np.zeros(1, np.int64))
        return str(probe.dtype), (None, *probe.shape[1:])

    def _feed(self, batches: Iterator[Arrays], scale: _Scale) -> Iterator[tuple[NDArray[Any], ...]]:
        """Batches as Keras takes them; an error of reading is kept, since the engine would hide it."""
        try:
            for batch in batches:
                scale.add(batch)
                labels = labels_for(self.model, self.outputs, self.settings.task, batch.y)
                yield np.ascontiguousarray(batch.x), labels, np.ascontiguousarray(batch.weight)
        except Exception as error:
            self.error.append(error)
            raise

    def _run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            with user_errors(self.file, "the Keras model cannot be trained"):
                return function(*args, **kwargs)
        except Exception:
            if self.error:
                raise self.error[0] from None
            raise


@dataclass
class _Scale:
    """Keras divides weighted losses by the number of events; this makes weighted means of them.

    Other reductions (``mean_with_sample_weight``, ``sum``) are left as Keras computes them.
    """

    by_events: bool = True
    events: int = 0
    weight: float = 0.0

    def add(self, batch: Arrays) -> None:
        self.events += len(batch)
        self.weight += float(batch.weight.sum(dtype=np.float64))

    def applied(self, figures: dict[str, float]) -> dict[str, float]:
        factor = self.events / self.weight if self.by_events and self.weight > 0 else 1.0
        return {name: value * factor if name == "loss" else value for name, value in figures.items()}


def _is_metric(variable: Any) -> bool:
    """Variables of metrics begin anew in each epoch."""
    return False if variable.trainable else "/total" in variable.path or "/count" in variable.path


def _numpy(variable: Any) -> NDArray[Any]:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(variable))


def _tensorflow() -> bool:
    """True if Keras computes with TensorFlow, which cuts blocks into batches itself."""
    import keras

    return bool(keras.backend.backend() == "tensorflow")


def _progress_callback(part: Pass, settings: FitSettings, errors: list[Exception]) -> Any:
    import keras

    steps = part.steps()
    every = max(1, steps // 20)

    class Report(keras.callbacks.Callback):  # type: ignore[misc]
        """Calls progress 20 times an epoch."""

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            if (batch + 1) % every == 0 and batch + 1 < steps:
                figures = {name: float(value) for name, value in (logs or {}).items()}
                try:
                    settings.progress(*part.place((batch + 1) * settings.batch_size), figures)
                except Exception as error:
                    errors.append(error)
                    raise

    return Report()


def _on_epoch_begin(action: Callable[[], None]) -> Any:
    import keras

    return keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: action())


def _in_training_order(events: Events) -> Arrays:
    """All events in memory in the order of the first epoch, with the classes mixed.

    Raises:
        MemoryLimitError: they do not fit.
    """
    if not events.fits():
        return events.load()
    parts = list(events.chunks(0))
    return Arrays(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "weight")))


def _own_fit(
    model: Any, outputs: int, train: Events, validation: Events, settings: FitSettings, file: str, predict: Predict
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
    with user_errors(file, "the Keras model's own fit failed"):
        result = model.fit(data.x, y, **passed)
    curves = {str(k): [float(v) for v in values] for k, values in (getattr(result, "history", None) or {}).items()}
    if "loss" not in curves:
        for part, prefix in ((train, ""), (validation, "val_")):
            figures = evaluate(part, lambda x: predict(model, x, task), task)
            curves |= {prefix + name: [value] for name, value in figures.items()}
    epochs = len(curves.get("loss", [0.0]))
    settings.progress(epochs - 1, train.size, {name: values[-1] for name, values in curves.items() if values})
    return History(curves=curves, epochs=epochs)
