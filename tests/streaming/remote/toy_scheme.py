"""A way to reach files in one module: they lie in memory, each with a number of its version."""

from __future__ import annotations

from typing import Any

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

from mlaas4hep.streaming.remote.schemes import Scheme

VERSIONS: dict[str, int] = {}


class Toys(MemoryFileSystem):
    """Its files are called ``toy://name``."""

    protocol = "toy"
    store: dict[str, Any] = {}  # noqa: RUF012 - as fsspec's has it
    pseudo_dirs = [""]  # noqa: RUF012


def prepare() -> None:
    """Tell fsspec of it."""
    fsspec.register_implementation("toy", Toys, clobber=True)


def facts(location: str) -> dict[str, Any]:
    """The number of the version."""
    return {"version": VERSIONS.get(location)}


SCHEME = Scheme(("toy",), facts, prepare=prepare)
