"""What this package knows of one framework."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["Framework", "ModelFormat", "NativeFile", "found"]


@dataclass(frozen=True)
class ModelFormat:
    """A format of model files that may be uploaded.

    Attributes:
        kind: its name, as in ``served.json``.
        title: its name for people.
        maker: what makes such files, as ``served.json`` has it.
        module: offers what `mlaas4hep.frameworks.foreign.Loader` says.
        package: what has to be installed to load such a file.
        worker: whether the framework itself may serve a model that has no ONNX form: ``any`` where loading it runs no
            code of its maker; ``sandboxed`` where what the maker wrote may do more than compute, so only in a process
            that bubblewrap confines; ``never``.
        confined: loading a file can run code, so that is done in a sandbox only.
    """

    kind: str
    title: str
    maker: str
    module: str
    package: str
    worker: Literal["any", "sandboxed", "never"] = "any"
    confined: bool = False


@dataclass(frozen=True)
class NativeFile:
    """A file in the folder ``native`` of a bundle.

    Attributes:
        name: of the file.
        loader: a `NativeLoader`, as module and name with a colon between.
    """

    name: str
    loader: str


@dataclass(frozen=True)
class Framework:
    """A framework.

    Attributes:
        name: as in the manifest of a bundle.
        imports: top packages by which a model file shows that it wants the framework.
        recognise: tells the kind of a model file by its content; None if it is not one of this framework's. Raises
            ModelRefusedError if it is one that is never loaded.
        formats: that may be uploaded.
        natives: files by which a bundle holds a model of it.
        backend: class that trains its models, as module and name with a colon between; "" if there is none.
        trained: what such models are, for people.
        packages: names of its distributions, whose versions a bundle and the report give.
    """

    name: str
    imports: tuple[str, ...] = ()
    recognise: Callable[[Peek], str | None] = lambda _: None
    formats: tuple[ModelFormat, ...] = ()
    natives: tuple[NativeFile, ...] = ()
    backend: str = ""
    trained: str = ""
    packages: tuple[str, ...] = ()


def found(place: str) -> Any:
    """Import what a text ``module:name`` means."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
