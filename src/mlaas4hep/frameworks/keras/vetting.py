"""Which objects a Keras file may name: Keras' own, by the module that defines them, but for those that run code."""

from __future__ import annotations

import importlib
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError

__all__ = ["check_classes", "read_config", "strange_classes", "strange_layers"]

LIMIT: Final = 64 * 2**20

MARKS: Final = {"__keras_tensor__", "__tensor__", "__numpy__", "__tuple__", "__bytes__", "__ellipsis__", "__slice__"}
"""Values that Keras writes as objects."""
VALUES: Final = MARKS | {"slice", "TensorShape"}
OWN: Final = re.compile(
    r"keras\.src\.(activations|constraints|dtype_policies|initializers|layers|legacy\.layers|losses|metrics|models|ops"
    r"|optimizers|quantizers|random|regularizers)(\.|$)"
)
"""Modules of Keras whose classes and functions compute and do nothing else: not ``keras.utils``, ``keras.saving``."""
CODE: Final = {"Lambda", "__lambda__"}
PLACES: Final = (
    "layers", "models", "initializers", "regularizers", "constraints", "activations", "dtype_policies", "losses",
    "metrics", "optimizers",
)  # fmt: skip
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def read_config(path: Path, kind: str = "keras") -> Any:
    """Return a model's configuration as JSON has it; nothing is loaded.

    Args:
        path: the file.
        kind: ``keras`` or ``keras_h5``.

    Raises:
        ModelRefusedError: it is too large, or an .h5 file holds none.
    """
    if kind == "keras":
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > LIMIT:
                what = "the configuration of the Keras model is too large"
                raise ModelRefusedError(what)
            return json.loads(archive.read("config.json"))
    import h5py

    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
    if text is None:
        what = "the .h5 file holds no Keras model, or only its weights"
        raise ModelRefusedError(what, where=path.name, hint="save the whole model: model.save('model.keras')")
    return json.loads(text)


def check_classes(config: Any, path: Path, kind: str) -> None:
    """Refuse a model whose layers are not Keras' own, or would run code.

    Raises:
        ModelRefusedError: with the names of the layers.
    """
    strange = strange_layers(config)
    if not strange:
        return
    names = ", ".join(strange[:3])
    if kind == "keras_h5" and all(_is_operation(name) for name in strange):
        what = f"the .h5 file holds operations ({names}), which Keras itself cannot load from that format"
        raise ModelRefusedError(what, where=path.name, hint="save it as .keras: model.save('model.keras')")
    what = f"the Keras model holds layers that are not Keras' own ({names}); they would run code"
    if CODE.intersection(strange):
        what = "the Keras model holds a Lambda layer, whose function is code in the file"
    raise ModelRefusedError(what, hint="only Keras' own layers are loaded; export it to ONNX or as a SavedModel")


def strange_layers(config: Any) -> list[str]:
    """Return the names of the classes in a configuration that are not Keras' own, or that would run code."""
    import keras

    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if key != "compile_config"}  # it is not loaded
    return sorted(set(strange_classes(config, keras)))


def strange_classes(node: object, keras: Any) -> Iterator[str]:
    """Return names of the objects in a model's configuration that are not Keras' own, or that would run code.

    Args:
        node: the configuration, as JSON gives it.
        keras: the package, for finding what Keras would find.
    """
    nodes = [node]
    while nodes:
        here = nodes.pop(0)
        if isinstance(here, dict):
            name = here.get("class_name")
            if isinstance(name, str) and "config" in here and not _is_own(name, here, keras):
                yield str(here["config"]) if name == "function" else name
            nodes.extend(here.values())
        elif isinstance(here, list):
            nodes.extend(here)


def _is_operation(name: str) -> bool:
    """Return true for a class of ``keras.ops``: an .h5 file has their names, but Keras finds only layers by these."""
    import keras

    return any(kind.__name__ == name for kind in keras.Operation.__subclasses__() if OWN.match(kind.__module__))


def _is_own(name: str, node: dict[str, Any], keras: Any) -> bool:
    module, registered = node.get("module"), node.get("registered_name")
    if name in CODE or not (module is None or isinstance(module, str)):
        return False
    if name in VALUES:
        return module is None or module.partition(".")[0] in {"keras", "builtins"}
    if name == "function":
        name = node["config"] if isinstance(node["config"], str) else ""
    if registered not in {None, "", name} and not (isinstance(registered, str) and registered == node["config"]):
        return False
    found = _found(name, module, keras)
    return callable(found) and OWN.match(str(getattr(found, "__module__", ""))) is not None


def _found(name: str, module: str | None, keras: Any) -> Any:
    """What Keras would take for a name: without a module from its public ones, else from that module."""
    if not NAME.fullmatch(name) or "." in name:
        return None
    if module in {None, "builtins"}:
        places = (getattr(keras, place, None) for place in PLACES)
        public = "Model" if name == "Functional" else name
        return next((getattr(place, public) for place in places if hasattr(place, public)), None)
    if not NAME.fullmatch(module or "") or str(module).partition(".")[0] != "keras":
        return None
    try:
        return getattr(importlib.import_module(str(module)), name, None)
    except ImportError:
        return None
