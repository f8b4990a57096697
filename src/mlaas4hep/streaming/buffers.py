"""Memory of blocks and chunks, used again when nobody looks at it: fresh memory costs as much as filling it."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffers"]

_WORD = 4


class Buffers:
    """Gives arrays, and takes their memory back by itself when the last view of one is gone; for any threads.

    Args:
        most: bytes that may lie idle.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._idle = 0
        self._free: dict[int, deque[bytearray]] = {}

    def take(self, rows: int, width: int) -> NDArray[np.float32]:
        """Uninitialised float32 [rows, width], C-contiguous."""
        size = rows * width * _WORD
        room = _rounded(size)
        free = self._free.setdefault(room, deque())
        try:
            memory = free.pop()
            self._idle -= room
        except IndexError:
            memory = bytearray(room)
        # Views of a view refer to this array, the first above the memory: it goes when the last of them does.
        whole = np.frombuffer(memory, dtype=np.float32)
        weakref.finalize(whole, self._taker(room), memory).atexit = False
        return whole[: rows * width].reshape(rows, width)

    def _taker(self, room: int) -> Callable[[bytearray], None]:
        """What takes memory back; called at any moment in any thread, so it must not wait for a lock."""
        free = self._free[room]

        def take_back(memory: bytearray) -> None:
            if self._idle + room <= self._most:
                self._idle += room
                free.append(memory)

        return take_back


def _rounded(size: int) -> int:
    """A size that few others differ from: at most an eighth more."""
    step = max(4096, 1 << max(0, size.bit_length() - 4))
    return max(1, -(-size // step)) * step
