"""Memory that the C library holds though nobody uses it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

__all__ = ["give_back"]


def give_back() -> None:
    """Return free memory of all threads to the system, where the C library can.

    Each thread that reads has a heap of its own, and what it freed is there for its next range. When the threads have
    ended, the next ones may get other heaps, and both would count.
    """
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    """glibc's; elsewhere nothing."""
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return lambda _: None
    return trim
