"""Keras models, ``.keras`` and ``.h5``, with Keras' own layers only."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Kind, Native, Source
from mlaas4hep.frameworks.keras import MODEL_FILE, WEIGHTS_FILE
from mlaas4hep.frameworks.keras.vetting import check_classes, read_config
from mlaas4hep.frameworks.scorer import Loading, Predict
from mlaas4hep.frameworks.tensorflow.common import native, tensorflow, to_onnx
from mlaas4hep.frameworks.tensors import TensorSpec, spec_of_tensor
from mlaas4hep.frameworks.user_code.build import built_by_code

__all__ = ["load", "load_native", "load_weights", "to_onnx"]

AT_ONCE: Final = 1024
"""Events up to which a model is called at once; more go through ``predict`` in batches of this size."""


def load(source: Source) -> Native:
    """Load without the training configuration.

    Raises:
        ModelRefusedError: it holds a Lambda or layers that are not Keras' own, only weights, or no input shape.
    """
    tf = tensorflow(source.threads)
    import keras

    model, _ = _open(source.path, source.kind)
    if not getattr(model, "inputs", None):
        what = "the shape of the Keras model's input is not in the file"
        raise ModelRefusedError(what, hint="call the model once, or give it an Input layer, before saving")
    inputs = _specs(model.inputs, [tensor.name for tensor in model.inputs])
    chain = isinstance(model, keras.Sequential)  # one that was read knows no ``input`` and ``output``
    given, made = (model.inputs[0], model.outputs[0]) if chain else (model.input, model.output)
    keys = sorted(made) if isinstance(made, dict) else []
    outputs = _specs(model.outputs, keys or ([model.layers[-1].name] if chain else model.output_names))

    def call(tensors: Sequence[Any]) -> list[Any]:
        structured = keras.tree.pack_sequence_as(given, list(tensors))
        return list(tf.nest.flatten(model(structured, training=False)))

    return native("tensorflow_keras", call, inputs, outputs, model)


def load_native(folder: Path, loading: Loading) -> tuple[Predict, str]:  # noqa: ARG001
    """Load a bundle's model of Keras' own layers.

    Returns:
        The function and what it gives: ``sigmoid`` or ``softmax`` is still to be applied if the model was trained with
        a loss ``from_logits``, else ``probability``.

    Raises:
        ModelRefusedError: it holds a Lambda or layers that are not Keras' own.
    """
    model, config = _open(folder / MODEL_FILE, "keras")
    return _predict_with(model), _output(config.get("compile_config"))


def load_weights(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """Load a bundle's model of the user's own classes: ``model.py`` builds it, ``model.weights.npz`` has its weights.

    Raises:
        BundleError: the code is not trusted, or does not define the model that the weights belong to.
    """
    model: Any = built_by_code(folder, loading.width, "keras", loading.trust_code)
    if not model.built:
        model(np.zeros((2, loading.width), np.float32))
    with np.load(folder / WEIGHTS_FILE, allow_pickle=False) as arrays:
        model.set_weights([arrays[name] for name in sorted(arrays.files)])
    return _predict_with(model), "probability"


def _open(path: Path, kind: Kind) -> tuple[Any, Any]:
    """Vet and load; the model and its configuration."""
    config = read_config(path, kind)
    check_classes(config, path, kind)
    import keras

    suffix = ".h5" if kind == "keras_h5" else ".keras"
    if path.suffix != suffix:  # Keras goes by the name
        path = _linked(path, suffix)
    return keras.saving.load_model(path, compile=False, safe_mode=True), config


def _predict_with(model: Any) -> Predict:
    import keras

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        if len(x) <= AT_ONCE:
            return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))
        return np.asarray(model.predict(x, batch_size=AT_ONCE, verbose=0))

    return predict


def _output(compiled: object) -> str:
    """What the numbers are, by the loss in the configuration of `compile`."""
    loss = compiled.get("loss") if isinstance(compiled, dict) else None
    if not isinstance(loss, dict):
        return "probability"
    config = loss.get("config")
    logits = isinstance(config, dict) and config.get("from_logits") is True
    if not logits:
        return "probability"
    return "sigmoid" if "binary" in str(loss.get("class_name")).lower() else "softmax"


def _linked(path: Path, suffix: str) -> Path:
    link = Path(tempfile.mkdtemp()) / f"model{suffix}"
    link.symlink_to(path)
    return link


def _specs(tensors: Sequence[Any], names: list[str]) -> tuple[TensorSpec, ...]:
    if len(names) != len(tensors) or len(set(names)) != len(names):
        names = [f"output_{number}" for number in range(len(tensors))]
    return tuple(map(spec_of_tensor, names, tensors))
