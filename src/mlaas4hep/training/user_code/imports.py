"""Imports of large frameworks without the collector of cycles, which would walk over all they make, again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["importing", "modules_left_alone"]


@contextmanager
def importing() -> Iterator[None]:
    """What is made in the block, and what was there before it, is left alone by the collector from then on.

    That is for imports, whose objects live as long as the process.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if running:
            gc.enable()


@contextmanager
def modules_left_alone() -> Iterator[None]:
    """At the end of the block the collector takes care of everything again that `importing` kept from it."""
    frozen = gc.get_freeze_count()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
