"""How much memory the events may take, and what follows from it for blocks, windows, chunks and queues."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

__all__ = ["Budget"]

_WINDOW = 256 * 2**20


@dataclass(frozen=True)
class Budget:
    """A limit in bytes, divided among those who need memory.

    Half of it may keep events that were read. Without that, two windows (the one that is mixed and the one that is
    read ahead of it) have a quarter, and chunks that wait for the training an eighth.

    Example:
        >>> Budget(2**30).window(1024)
        131072
    """

    limit: int

    @staticmethod
    def of(limit: int | None) -> Budget:
        """Return the budget of this many bytes; None: a quarter of the machine's memory."""
        return Budget(limit or psutil.virtual_memory().total // 4)

    @property
    def keep(self) -> int:
        """Bytes for events that stay in memory once they are read."""
        return self.limit // 2

    def window(self, row: int) -> int:
        """Return events of ``row`` bytes that are mixed with each other: 256 MiB of them, or an eighth of the limit."""
        return max(1, min(_WINDOW, self.limit // 8) // row)

    def chunk(self, row: int) -> int:
        """Return events of ``row`` bytes that a chunk may have."""
        return max(1, self.limit // 8 // row)

    def rows(self, most: int) -> int:
        """Bytes for events that are kept aside for a look after the training: ``most``, or a 32nd part of the limit."""
        return min(most, self.limit // 32)

    def ahead(self, chunk: int, workers: int) -> int:
        """Chunks of ``chunk`` bytes that are made ahead of the training: at least 1, at most 2 for each worker."""
        return max(1, min(2 * workers, self.limit // 8 // max(1, chunk)))
