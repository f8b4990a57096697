"""Keras 3, on TensorFlow or on PyTorch."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.keras import MODEL_FILE, WEIGHTS_FILE
from mlaas4hep.frameworks.keras.vetting import read_config, strange_layers
from mlaas4hep.frameworks.probabilities import sigmoid, softmax
from mlaas4hep.frameworks.user_code.build import CODE_FILE
from mlaas4hep.training.backends.base import FitSettings, History
from mlaas4hep.training.backends.files import rewrite_zip, write_beside
from mlaas4hep.training.backends.logits import shifts_along
from mlaas4hep.training.backends.passes import DEFAULT_EPOCHS
from mlaas4hep.training.backends.user_warnings import passed_on
from mlaas4hep.training.events.base import Events, Task
from mlaas4hep.training.events.outputs import Said

if TYPE_CHECKING:
    import onnx

__all__ = ["KerasBackend"]

_BLOCK = 8192


class KerasBackend:
    """Compiled models keep their loss, optimizer and metrics; uncompiled ones get Adam(1e-3) and the task's loss."""

    name = "keras"
    networks = True

    def recognises(self, model: object) -> bool:
        """Return true for an instance of keras.Model."""
        keras = sys.modules.get("keras")
        return keras is not None and hasattr(keras, "Model") and isinstance(model, keras.Model)

    def seed(self, seed: int, threads: int | None) -> None:
        """Seed Python, numpy and the engine, and limit the engine's threads where it still can be.

        Keras also forgets the names it has given, so that a model built next is named the same in every run.
        """
        import keras

        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        if threads is None:
            return
        if keras.backend.backend() == "torch":
            import torch

            torch.set_num_threads(threads)
        elif keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            with contextlib.suppress(RuntimeError):  # too late: TensorFlow has begun to work
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(threads)
            if threads == 1 and tf.config.list_physical_devices("GPU"):
                tf.config.experimental.enable_op_determinism()

    def takes_missing(self, model: Any) -> bool:  # noqa: ARG002
        """False: a network turns NaN into NaN."""
        return False

    def passes(self, model: Any, epochs: int | None, module: ModuleType | None) -> int | None:  # noqa: ARG002
        """Return the epochs; None for a ``fit`` of the user's own."""
        from mlaas4hep.training.backends.keras.outputs import has_own_fit

        return None if has_own_fit(model) else epochs or DEFAULT_EPOCHS

    def fit(self, model: Any, train: Events, validation: Events, settings: FitSettings) -> tuple[Any, History]:
        """Train by epochs over batches; a subclass with its own ``fit`` gets all events in memory instead.

        Raises:
            ModelFileError: outputs that do not fit the task, or the training raises.
            MemoryLimitError: the model has its own ``fit`` and the events do not fit.
        """
        import keras

        from mlaas4hep.training.backends.keras.fit import fit

        with passed_on(settings.warn):
            keras.utils.set_random_seed(settings.seed)
            return model, fit(model, train, validation, settings, self.predict)

    def predict(self, model: Any, x: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
        """Probabilities; logits go through sigmoid or softmax. Of two outputs in a binary task the second counts."""
        from mlaas4hep.training.backends.keras.outputs import activation_missing, outputs_of

        blocks = [_call(model, x[start : start + _BLOCK]) for start in range(0, len(x), _BLOCK)]
        raw = np.concatenate(blocks) if blocks else np.zeros((0, outputs_of(model)), np.float32)
        if raw.ndim == 1:
            raw = raw[:, None]
        missing = activation_missing(model, task, raw.shape[1])
        if missing:
            raw = sigmoid(raw) if missing == "Sigmoid" else softmax(raw)
        raw = raw.astype(np.float32, copy=False)
        return raw[:, 1:2] if task == "binary" and raw.shape[1] == 2 else raw

    def trial(self, model: Any, few: Events, settings: FitSettings) -> Any:
        """Return the model itself, untrained."""
        from mlaas4hep.training.backends.keras.fit import ready

        ready(model, few.width, settings)
        return model

    def output(self, model: Any, task: Task) -> Said:
        """Decision values where the loss cuts elsewhere than at 0.5, as the hinge loss does."""
        from mlaas4hep.training.backends.keras.outputs import outputs_of, said_of

        return said_of(model, task, outputs_of(model))

    def takes_any_target(self, model: Any, width: int, settings: FitSettings) -> bool:
        """Return true if outputs of both signs are possible and the loss is one of the difference to the target."""
        from mlaas4hep.training.backends.keras.outputs import loss_function

        raw = _call(model, np.random.default_rng(0).normal(scale=10.0, size=(512, width)).astype(np.float32))
        both = bool((raw < 0).any() and (raw > 0).any())
        return both and (not model.compiled or shifts_along(loss_function(model, settings.task, 1)))

    def save(self, model: Any, folder: Path, source: Path) -> None:
        """Write ``model.keras`` without dates; of a model of the user's own classes the weights, and the code."""
        path = folder / MODEL_FILE
        with passed_on(lambda _: None):
            try:
                model.save(path)
                whole = not strange_layers(read_config(path))
            except NotImplementedError:  # a class of one's own without get_config
                whole = False
            if not whole:
                path.unlink(missing_ok=True)
                arrays = {f"w{i:04}": array for i, array in enumerate(model.get_weights())}
                np.savez(folder / WEIGHTS_FILE, **arrays)
                shutil.copyfile(source, folder / CODE_FILE)
                return
        write_beside(path, rewrite_zip(path.read_bytes(), _without_dates))

    def to_onnx(self, model: Any, width: int, task: Task) -> onnx.ModelProto:
        """Convert with ``model.export``."""
        from mlaas4hep.training.backends.keras.onnx import convert

        return convert(model, width, task)


def _call(model: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    with passed_on(lambda _: None):  # Keras on torch trips over numpy 2 with a DeprecationWarning
        return np.asarray(model.predict_on_batch(np.ascontiguousarray(x)))


def _without_dates(members: dict[str, bytes]) -> dict[str, bytes]:
    """Fix the date, and number shared objects in order: Keras writes their addresses."""
    metadata = json.loads(members["metadata.json"])
    metadata["date_saved"] = "1980-01-01@00:00:00"
    numbers: dict[int, int] = {}

    def renumber(item: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in item:
            address = item["shared_object_id"]
            item["shared_object_id"] = numbers.setdefault(address, len(numbers) + 1)
        return item

    config = json.loads(members["config.json"], object_hook=renumber)
    return {**members, "metadata.json": json.dumps(metadata).encode(), "config.json": json.dumps(config).encode()}
