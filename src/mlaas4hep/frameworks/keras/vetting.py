"""Which objects a Keras file may name: Keras' own, by the module that defines them, but for those that run code."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["is_operation", "strange_classes", "what_is_wrong"]

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


def strange_classes(node: object, keras: Any) -> Iterator[str]:
    """Names of the objects in a model's configuration that are not Keras' own, or that would run code.

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


def what_is_wrong(strange: list[str]) -> str:
    """The sentence for these names."""
    code = [name for name in strange if name in CODE]
    if code:
        return "the Keras model holds a Lambda layer, whose function would have to be run as it is in the file"
    names = ", ".join(strange[:3])
    return f"the Keras model holds layers that are not Keras' own ({names}); they would run code"


def is_operation(name: str) -> bool:
    """True for a class of ``keras.ops``: an .h5 file has their names, but Keras finds only layers by these."""
    operations = importlib.import_module("keras.src.ops")
    modules = (getattr(operations, place, None) for place in ("numpy", "core", "math", "nn", "linalg", "image"))
    return bool(NAME.fullmatch(name)) and any(isinstance(getattr(module, name, None), type) for module in modules)


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
