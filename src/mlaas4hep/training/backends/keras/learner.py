"""A Keras model in our loop: its engine gets the batches in our order."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.base import FitSettings
from mlaas4hep.training.backends.keras.callbacks import on_epoch_begin, progress_callback
from mlaas4hep.training.backends.keras.outputs import divides_by_events, labels_for
from mlaas4hep.training.backends.passes import Pass
from mlaas4hep.training.events.base import Arrays, Events
from mlaas4hep.training.user_code.user_model import user_errors

__all__ = ["KerasLearner"]

_VALIDATION_BATCH = 4096


@dataclass
class KerasLearner:
    """A Keras model as the loop sees it."""

    model: Any
    outputs: int
    train: Events
    validation: Events
    settings: FitSettings
    error: list[Exception] = field(default_factory=list)
    warm: bool = False

    def prepare(self) -> None:
        """Make the optimizer's variables, so that a state has all there is."""
        self.model.optimizer.build(self.model.trainable_variables)

    def learn(self, part: Pass) -> dict[str, float]:
        """Train on one pass; return its figures."""
        size = self.settings.batch_size
        scale = _Scale(divides_by_events(self.model))
        whole = _tensorflow() and part.even()
        callbacks = [progress_callback(part, self.settings, self.error)]
        if not self.warm:
            # What the engine does once, before the first batch, may draw random numbers: undo that, so that a resumed
            # training draws the same ones as one without interruption.
            callbacks.append(on_epoch_begin(partial(self.restore, self.state())))
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
        """Return the figures on the validation events; nothing without events."""
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
        """Return all variables of model and optimizer, and the state of torch's random numbers."""
        arrays = {f"v{i}": _numpy(v) for i, v in enumerate(self._variables())}
        if self._torch():
            import torch

            arrays["torch_rng"] = torch.get_rng_state().numpy()
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    def restore(self, state: bytes) -> None:
        """Put back what `state` returned.

        Raises:
            ModelFileError: it is of another model.
        """
        with np.load(io.BytesIO(state), allow_pickle=False) as arrays:
            variables = self._variables()
            shapes = [arrays[name].shape for name in arrays.files if name != "torch_rng"]
            if shapes != [tuple(variable.shape) for variable in variables]:
                hint = "train without resuming"
                raise ModelFileError("the checkpoint belongs to another model", where=self.settings.file, hint=hint)
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
            with user_errors(self.settings.file, "the Keras model cannot be trained"):
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
