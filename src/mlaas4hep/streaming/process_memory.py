"""Memory of this process as the system sees it."""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Callable
from functools import cache
from pathlib import Path

__all__ = ["give_back", "peak_memory"]

STATUS = Path("/proc/self/status")


def give_back() -> None:
    """Return free memory of all threads to the system, where the C library can.

    Each thread that reads has a heap of its own, and what it freed is there for its next range. When the threads have
    ended, the next ones may get other heaps, and both would count.
    """
    _trim()(0)


def peak_memory() -> int:
    """Largest resident memory of this process so far, bytes.

    What `resource` knows may be that of the process which started this one, so Linux is asked first.
    """
    try:
        lines = STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@cache
def _trim() -> Callable[[int], object]:
    """glibc's; elsewhere nothing."""
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return lambda _: None
    return trim
