"""The layer for jagged branches that model files of the original import, there only while such a file runs."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["original_layers"]

_NAMES = ("MLaaS4HEP", "MLaaS4HEP.jarray", "MLaaS4HEP.jarray.pytorch")


@contextmanager
def original_layers() -> Iterator[None]:
    """Let ``from MLaaS4HEP.jarray.pytorch import JaggedArrayLinear`` give ours until the end of the block.

    Where the original is installed, or lies beside the model file, it is taken instead. torch is imported only if the
    layer is.
    """
    if _NAMES[0] in sys.modules or importlib.util.find_spec(_NAMES[0]) is not None:
        yield
        return
    ours = [ModuleType(name) for name in _NAMES]
    for parent, child in itertools.pairwise(ours):
        parent.__path__ = []
        setattr(parent, child.__name__.rpartition(".")[2], child)
    ours[-1].__dict__["__getattr__"] = _layer
    sys.modules.update({module.__name__: module for module in ours})
    try:
        yield
    finally:
        for module in ours:
            if sys.modules.get(module.__name__) is module:
                del sys.modules[module.__name__]


def _layer(name: str) -> Any:
    if name != "JaggedArrayLinear":
        raise AttributeError(f"there is no {name} here, only JaggedArrayLinear")
    from mlaas4hep.frameworks.user_code.jagged import JaggedArrayLinear

    return JaggedArrayLinear
