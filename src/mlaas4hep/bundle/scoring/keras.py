"""Keras models from ``.keras`` files, with Keras' own layers only."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.scoring.native import Predict
from mlaas4hep.errors import BundleError

__all__ = ["load_keras"]

REFUSED = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "function"}
PLAIN = {"__tensor__", "__numpy__", "__tuple__", "__bytes__", "slice"}


def load_keras(file: Path) -> Predict:
    """Load a model.

    Raises:
        BundleError: it holds layers of its own or a Lambda: they would run code from the file.
    """
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"))
    config.pop("compile_config", None)
    strange = sorted(set(_classes(config)))
    if strange:
        what = f"the native model holds layers that are not Keras' own ({', '.join(strange[:3])})"
        raise BundleError(what, where="native/model.keras", hint="only built-in layers are loaded")
    import keras

    model: Any = keras.saving.load_model(file, compile=False, safe_mode=True)

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        if len(x) <= 1024:
            return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))
        return np.asarray(model.predict(x, batch_size=1024, verbose=0))

    return predict


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
