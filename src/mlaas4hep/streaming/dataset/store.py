"""Where the rows of ranges stay after they were read: nowhere, in memory, or in a cache on disk."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.streaming.cache import Cache, Shape
from mlaas4hep.streaming.dataset.rows import Rows, side_dtype
from mlaas4hep.streaming.scan.result import RangeCount

__all__ = ["DiskStore", "MemoryStore", "NoStore", "Store", "TemporaryStore"]

SIDE = "side"


class Store(Protocol):
    """Keeps the rows of ranges by their number. All methods may be called from several threads."""

    @property
    def keeps(self) -> bool:
        """True if rows that were read may be found again, so that all parts of the split should be read at once."""

    @property
    def complete(self) -> bool:
        """True if all rows are there already."""

    def at_hand(self, number: int) -> Rows | None:
        """As `get`, if it takes no time."""

    def get(self, number: int) -> Rows | None:
        """Return the rows of a range, if they are here; they must not be written to."""

    def put(self, number: int, rows: Rows) -> None:
        """Keep the rows of a range, if there is room."""

    def close(self) -> None:
        """Release what is held; what is not complete on disk vanishes."""


class NoStore:
    """Keeps nothing."""

    keeps = False
    complete = False

    def get(self, number: int) -> Rows | None:  # noqa: ARG002
        """Nothing."""
        return None

    at_hand = get

    def put(self, number: int, rows: Rows) -> None:
        """Nothing happens."""

    def close(self) -> None:
        """Nothing to release."""


class MemoryStore:
    """Keeps everything in memory, and what comes from another store, too."""

    keeps = True
    complete = False

    def __init__(self) -> None:
        self._rows: dict[int, Rows] = {}

    def get(self, number: int) -> Rows | None:
        """Return the rows, if they were put here."""
        return self._rows.get(number)

    at_hand = get

    def put(self, number: int, rows: Rows) -> None:
        """Keep them."""
        self._rows[number] = rows

    def close(self) -> None:
        """Forget all."""
        self._rows.clear()


class DiskStore:
    """Rows in an entry of the cache, as memory maps; read from an entry that is there, else written while reading.

    A fault of the cache is not a fault of the training: then it keeps nothing, and the cache has said why.

    Args:
        cache: the cache.
        key: decides the content: see `mlaas4hep.streaming.dataset.keys`.
        ranges: all ranges, by their number.
        width: number D of raw columns.
        target: dtype of the targets.
    """

    def __init__(self, cache: Cache, key: str, ranges: Sequence[RangeCount], width: int, target: np.dtype[Any]) -> None:
        self._cache, self._key, self._ranges = cache, key, ranges
        self._side = side_dtype(target)
        self._shape = Shape([found.used for found in ranges], {SIDE: f"S{self._side.itemsize}"}, width)
        self._lock = threading.Lock()
        self._entry: Any = None
        self._writer: Any = None
        self._tries = 0
        self._open()

    @property
    def keeps(self) -> bool:
        """True while there is something to read from or to write to."""
        return self._entry is not None or self._writer is not None

    @property
    def complete(self) -> bool:
        """True if all rows are there already."""
        return self._entry is not None

    def at_hand(self, number: int) -> Rows | None:  # noqa: ARG002
        """Nothing: whatever lies on disk must be looked at."""
        return None

    def get(self, number: int) -> Rows | None:
        """Return the rows of a range, checked against their checksum when they are read first."""
        source = self._entry if self._entry is not None else self._writer
        if source is None:
            return None
        arrays = source.read(number)
        if arrays is None:
            if source is self._entry:
                self._renew(source)
            return None
        parts = self._ranges[number].parts
        first, second, third = np.cumsum(parts).tolist()
        return Rows(arrays["x"], arrays[SIDE].view(self._side), (0, first, second, third))

    def put(self, number: int, rows: Rows) -> None:
        """Write the rows, unless they are there, or are those of one part alone."""
        writer = self._writer
        if writer is not None and len(rows) == self._ranges[number].used:
            writer.write(number, {"x": rows.raw, SIDE: _bytes(rows.side)})

    def close(self) -> None:
        """Release files and locks."""
        with self._lock:
            for source in (self._entry, self._writer):
                if source is not None:
                    source.close()
            self._entry = self._writer = None

    def _open(self) -> None:
        self._entry = self._cache.open(self._key, self._shape)
        if self._entry is None:
            self._writer = self._cache.create(self._key, self._shape)
            if self._writer is None:  # perhaps another run has just finished it
                self._entry = self._cache.open(self._key, self._shape)

    def _renew(self, damaged: Any) -> None:
        """The entry is damaged: write another one in this run, once."""
        with self._lock:
            if self._entry is not damaged:
                return
            damaged.close()
            self._entry = None
            self._tries += 1
            if self._tries == 1:
                self._writer = self._cache.create(self._key, self._shape)


class TemporaryStore(DiskStore):
    """Rows in a cache whose folder is removed at the end."""

    def close(self) -> None:
        """Release files and locks, and remove the folder."""
        super().close()
        shutil.rmtree(self._cache.folder, ignore_errors=True)


def _bytes(side: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(side).view(f"S{side.dtype.itemsize}")
