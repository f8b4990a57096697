"""The layer for jagged branches that model files of the original import, there only while such a file runs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from mlaas4hep.frameworks.user_code.modules import importable

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
    ours = {name: ModuleType(name) for name in _NAMES}
    for package in _NAMES[:-1]:
        ours[package].__path__ = []
    ours[_NAMES[-1]].__dict__["__getattr__"] = _layer
    with importable(ours):
        yield


def _layer(name: str) -> Any:
    if name != "JaggedArrayLinear":
        raise AttributeError(f"there is no {name} here, only JaggedArrayLinear")
    from mlaas4hep.frameworks.user_code.jagged import JaggedArrayLinear

    return JaggedArrayLinear
