"""Keras models, ``.keras`` and ``.h5``, with Keras' own layers only."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.keras.vetting import is_operation, strange_classes, what_is_wrong
from mlaas4hep.frameworks.tensorflow.common import native, tensorflow, to_onnx
from mlaas4hep.frameworks.tensors import TensorSpec

__all__ = ["MAKER", "WORKER", "load", "to_onnx"]

MAKER: Final = "Keras"
WORKER: Final = True
LIMIT: Final = 64 * 2**20


def load(source: Source) -> Native:
    """Load without the training configuration.

    Raises:
        ModelRefusedError: it holds a Lambda or layers that are not Keras' own, only weights, or no input shape.
    """
    config = _config(source)
    tf = tensorflow(source.threads)
    import keras

    strange = sorted(set(strange_classes(config, keras)))
    lost = [name for name in strange if source.kind == "keras_h5" and is_operation(name)]
    if lost and lost == strange:
        what = f"the .h5 file holds operations ({', '.join(lost[:3])}), which Keras itself cannot load from that format"
        raise ModelRefusedError(what, where=source.path.name, hint="save it as .keras: model.save('model.keras')")
    if strange:
        raise ModelRefusedError(what_is_wrong(strange), hint="upload it as ONNX or as a SavedModel")
    path = source.path
    suffix = ".h5" if source.kind == "keras_h5" else ".keras"
    if path.suffix != suffix:  # Keras goes by the name
        path = _linked(path, suffix)
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    if not getattr(model, "inputs", None):
        what = "the shape of the Keras model's input is not in the file"
        raise ModelRefusedError(what, hint="call the model once, or give it an Input layer, before saving")
    inputs = _specs(model.inputs, [tensor.name for tensor in model.inputs])
    chain = isinstance(model, keras.Sequential)  # one that was read knows no ``input`` and ``output``
    given, made = (model.inputs[0], model.outputs[0]) if chain else (model.input, model.output)
    keys = sorted(made) if isinstance(made, dict) else []
    outputs = _specs(model.outputs, keys or [_maker(tensor) for tensor in model.outputs])

    def call(tensors: Sequence[Any]) -> list[Any]:
        structured = keras.tree.pack_sequence_as(given, list(tensors))
        return list(tf.nest.flatten(model(structured, training=False)))

    return native("tensorflow_keras", call, inputs, outputs, model)


def _config(source: Source) -> Any:
    """The model's configuration, without loading anything."""
    if source.kind == "keras":
        with zipfile.ZipFile(source.path) as archive:
            if archive.getinfo("config.json").file_size > LIMIT:
                what = "the configuration of the Keras model is too large"
                raise ModelRefusedError(what)
            config = json.loads(archive.read("config.json"))
        if isinstance(config, dict):
            config.pop("compile_config", None)
        return config
    import h5py  # type: ignore[import-untyped]

    with h5py.File(source.path, "r") as file:
        text = file.attrs.get("model_config")
    if text is None:
        what = "the .h5 file holds no Keras model, or only its weights"
        raise ModelRefusedError(what, where=source.path.name, hint="save the whole model: model.save('model.keras')")
    return json.loads(text)


def _linked(path: Path, suffix: str) -> Path:
    import tempfile

    link = Path(tempfile.mkdtemp()) / f"model{suffix}"
    link.symlink_to(path)
    return link


def _maker(tensor: Any) -> str:
    """Name of the layer that gives an output."""
    return str(getattr(getattr(tensor, "_keras_history", None), "operation", tensor).name)


def _specs(tensors: Sequence[Any], names: list[str]) -> tuple[TensorSpec, ...]:
    if len(names) != len(tensors) or len(set(names)) != len(names):
        names = [f"output_{number}" for number in range(len(tensors))]
    return tuple(
        TensorSpec(name, str(tensor.dtype), tuple(-1 if size is None else int(size) for size in tensor.shape))
        for name, tensor in zip(names, tensors, strict=True)
    )
