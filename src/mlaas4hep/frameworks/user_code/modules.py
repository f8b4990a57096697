"""Modules that can be imported under other names while the user's code runs, and only then."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from unittest.mock import patch

__all__ = ["importable"]


@contextmanager
def importable(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """Let modules be imported by these names, and be attributes of their parents, until the end of the block."""
    with ExitStack() as undo:
        for name, module in modules.items():
            undo.callback(_put_back, name, module, sys.modules.get(name))
            sys.modules[name] = module
            parent, _, last = name.rpartition(".")
            if parent in sys.modules:
                undo.enter_context(patch.object(sys.modules[parent], last, module, create=True))
        yield


def _put_back(name: str, ours: ModuleType, before: ModuleType | None) -> None:
    if sys.modules.get(name) is ours:  # the code may have put another there
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
