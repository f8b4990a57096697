"""Sequential files read by ranges: a cursor goes on where it is.

So one pass over the ranges is one pass over the file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, Protocol, TypeVar

__all__ = ["Block", "Cursors"]

_MOST = 4


class Block(Protocol):
    """Some rows one after another; slices share memory."""

    def __len__(self) -> int: ...


B = TypeVar("B", bound=Block)


class _Cursor(Generic[B]):
    def __init__(self, blocks: Iterator[B]) -> None:
        self.blocks = blocks
        self.begin = 0
        self.block: B | None = None

    def pieces(self, start: int, stop: int) -> Iterator[tuple[B, int, int]]:
        while True:
            if self.block is not None:
                end = self.begin + len(self.block)
                if start < end:
                    until = min(stop, end)
                    yield self.block, start - self.begin, until - self.begin
                    start = until
                if start >= stop:
                    return
                self.begin = end
            self.block = next(self.blocks, None)
            if self.block is None:
                return


class Cursors(Generic[B]):
    """Some open cursors over one file, kept by what they read; safe for threads.

    Args:
        start: gives the blocks of the file from its beginning, for a key.
    """

    def __init__(self, start: Callable[[Hashable], Iterator[B]]) -> None:
        self._start = start
        self._open: list[tuple[Hashable, _Cursor[B]]] = []
        self._lock = threading.Lock()

    def pieces(self, key: Hashable, start: int, stop: int, *, last: bool) -> list[tuple[B, int, int]]:
        """Blocks that hold the rows ``start`` to ``stop``, each with the range of rows to take from it.

        Args:
            key: what is read.
            start: first row.
            stop: the row behind the last one.
            last: no row follows, so that the cursor, and what it read ahead, is not kept.
        """
        if start >= stop:
            return []
        cursor = self._take(key, start)
        pieces = list(cursor.pieces(start, stop))
        if cursor.block is not None and not last:
            with self._lock:
                self._open.append((key, cursor))
                del self._open[:-_MOST]
        return pieces

    def close(self) -> None:
        """Forget all cursors."""
        with self._lock:
            self._open.clear()

    def _take(self, key: Hashable, start: int) -> _Cursor[B]:
        """The cursor that is nearest before ``start``, taken out of the pool, else a new one."""
        with self._lock:
            fit = [index for index, (name, cursor) in enumerate(self._open) if name == key and cursor.begin <= start]
            if fit:
                return self._open.pop(max(fit, key=lambda index: self._open[index][1].begin))[1]
        return _Cursor(self._start(key))
