"""Keras models from ``.keras`` files, with Keras' own layers only."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BundleError
from mlaas4hep.frameworks.keras.vetting import strange_classes
from mlaas4hep.frameworks.scorer import Loading, Predict
from mlaas4hep.frameworks.user_code.build import built_by_code

__all__ = ["load_keras", "load_keras_weights", "strange_layers"]


def load_keras(folder: Path, loading: Loading) -> tuple[Predict, str]:  # noqa: ARG001
    """Load a model.

    Returns:
        The function and what it gives: ``sigmoid`` or ``softmax`` is still to be applied if the model was trained with
        a loss ``from_logits``, else ``probability``.

    Raises:
        BundleError: it holds layers of its own or a Lambda: they would run code from the file.
    """
    file = folder / "model.keras"
    strange = strange_layers(file)
    if strange:
        what = f"the native model holds layers that are not Keras' own ({', '.join(strange[:3])})"
        raise BundleError(what, where="native/model.keras", hint="only built-in layers are loaded")
    import keras

    model: Any = keras.saving.load_model(file, compile=False, safe_mode=True)
    return _predict_with(model), _output(_config(file).get("compile_config"))


def load_keras_weights(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """Load a model of the user's own classes: ``model.py`` builds it, ``model.weights.npz`` has its weights.

    Raises:
        BundleError: the code is not trusted, or does not define the model that the weights belong to.
    """
    model: Any = built_by_code(folder, loading.width, "keras", loading.trust_code)
    if not model.built:
        model(np.zeros((2, loading.width), np.float32))
    with np.load(folder / "model.weights.npz", allow_pickle=False) as arrays:
        model.set_weights([arrays[name] for name in sorted(arrays.files)])
    return _predict_with(model), "probability"


def strange_layers(file: Path) -> list[str]:
    """Find the classes in a ``.keras`` file that are not Keras' own, or that would run code; their names."""
    import keras

    config = _config(file)
    config.pop("compile_config", None)
    return sorted(set(strange_classes(config, keras)))


def _config(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        config: dict[str, Any] = json.loads(archive.read("config.json"))
    return config


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
