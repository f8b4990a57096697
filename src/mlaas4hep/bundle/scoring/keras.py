"""Keras models from ``.keras`` files, with Keras' own layers only."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.scoring._code import built_by_code
from mlaas4hep.bundle.scoring.native import Predict
from mlaas4hep.errors import BundleError

__all__ = ["load_keras", "load_keras_weights", "strange_layers"]

REFUSED = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "function"}
PLAIN = {"__keras_tensor__", "__tensor__", "__numpy__", "__tuple__", "__bytes__", "__ellipsis__", "__slice__", "slice"}


def load_keras(file: Path) -> tuple[Predict, str]:
    """Load a model.

    Returns:
        The function and what it gives: ``sigmoid`` or ``softmax`` is still to be applied if the model was trained with
        a loss ``from_logits``, else ``probability``.

    Raises:
        BundleError: it holds layers of its own or a Lambda: they would run code from the file.
    """
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"))
    output = _output(config.pop("compile_config", None))
    strange = strange_layers(file)
    if strange:
        what = f"the native model holds layers that are not Keras' own ({', '.join(strange[:3])})"
        raise BundleError(what, where="native/model.keras", hint="only built-in layers are loaded")
    import keras

    model: Any = keras.saving.load_model(file, compile=False, safe_mode=True)

    return _predict_with(model), output


def load_keras_weights(folder: Path, width: int, trust_code: bool) -> Predict:
    """Load a model of the user's own classes: ``model.py`` builds it, ``model.weights.npz`` has its weights.

    Raises:
        BundleError: the code is not trusted, or does not define the model that the weights belong to.
    """
    model: Any = built_by_code(folder, width, "keras", trust_code)
    if not model.built:
        model(np.zeros((2, width), np.float32))
    with np.load(folder / "model.weights.npz", allow_pickle=False) as arrays:
        model.set_weights([arrays[name] for name in sorted(arrays.files)])
    return _predict_with(model)


def strange_layers(file: Path) -> list[str]:
    """Names of the classes in a ``.keras`` file that are not Keras' own."""
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"))
    config.pop("compile_config", None)
    return sorted(set(_classes(config)))


def _predict_with(model: Any) -> Predict:
    import keras

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        if len(x) <= 1024:
            return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))
        return np.asarray(model.predict(x, batch_size=1024, verbose=0))

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


def _classes(node: object) -> Iterator[str]:
    """Names of the serialised classes that are not Keras' own."""
    if isinstance(node, dict):
        name = node.get("class_name")
        module = node.get("module")
        if isinstance(name, str) and "config" in node:
            own = isinstance(module, str) and (module == "keras" or module.startswith("keras."))
            plain = module in {None, "builtins"} and name in PLAIN
            if not (own or plain) or name in REFUSED:
                yield name
        for value in node.values():
            yield from _classes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _classes(value)
