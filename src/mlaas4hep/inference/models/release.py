"""Giving memory back to the system, not only to the allocator."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress

__all__ = ["close_and_trim"]


def close_and_trim(close: Callable[[], None]) -> None:
    """Close a model, then let the C library return what is free. Blocks for some milliseconds."""
    close()
    with suppress(OSError, AttributeError):  # other C libraries than glibc have no such function
        ctypes.CDLL(None).malloc_trim(0)
