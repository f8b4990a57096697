"""Memory of blocks and chunks, used again when nobody looks at it: fresh memory costs as much as filling it."""

from __future__ import annotations

import mmap
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffers"]

Memory: TypeAlias = bytearray | mmap.mmap

_WORD = 4
_MAPPED = 1 << 20
"""From this size on memory is a map of its own, which goes back to the system as soon as it is given up."""


class Buffers:
    """Gives arrays, and takes their memory back by itself when the last view of one is gone; for any threads.

    Args:
        most: bytes that may lie idle.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._free: dict[int, deque[Memory]] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Buffers], tuple[int]]:
        return Buffers, (self._most,)

    def take(self, rows: int, width: int) -> NDArray[np.float32]:
        """Uninitialised float32 [rows, width], C-contiguous."""
        size = rows * width * _WORD
        with self._lock:
            room, memory = self._again(_rounded(size))
        if memory is None:
            memory = _fresh(room)
        # Views of a view refer to this array, the first above the memory: it goes when the last of them does.
        whole = np.frombuffer(memory, dtype=np.float32)
        weakref.finalize(whole, self._taker(room), memory).atexit = False
        return whole[: rows * width].reshape(rows, width)

    @property
    def _idle(self) -> int:
        return sum(room * len(free) for room, free in list(self._free.items()))

    def _again(self, wanted: int) -> tuple[int, Memory | None]:
        """Idle memory of the wanted size or somewhat more, and its size; else none, and room is made for fresh."""
        self._free.setdefault(wanted, deque())
        for room in sorted(self._free):
            if wanted <= room <= wanted + wanted // 4:
                with suppress(IndexError):
                    return room, self._free[room].pop()
        # What is fresh will lie idle one day. Sizes that nobody asks for any more must not keep it from being kept.
        for free in self._free.values():
            while free and self._idle + wanted > self._most:
                with suppress(IndexError):
                    free.popleft()
        return wanted, None

    def _taker(self, room: int) -> Callable[[Memory], None]:
        """What takes memory back; called at any moment in any thread, so it must not wait for a lock."""
        free = self._free[room]

        def take_back(memory: Memory) -> None:
            if self._idle + room <= self._most:
                free.append(memory)

        return take_back


def _rounded(size: int) -> int:
    """A size that few others differ from: at most an eighth more."""
    step = max(4096, 1 << max(0, size.bit_length() - 4))
    return max(1, -(-size // step)) * step


def _fresh(room: int) -> Memory:
    """Memory that nobody has used; large pages, which cost less to get and to find one's way in."""
    if room < _MAPPED or not hasattr(mmap, "MADV_HUGEPAGE"):
        return bytearray(room)
    memory = mmap.mmap(-1, room, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
