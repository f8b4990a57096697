"""The data sets of a table in an HDF5 file, opened when they are first read, with memory for their chunks."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from mlaas4hep.streaming.readers.room import ROOM

__all__ = ["Datasets"]

_CACHE = 1 << 20
"""Bytes of chunks that HDF5 keeps of a data set unless it is told otherwise."""

_SLOTS = 521


class Datasets:
    """Data sets by their path.

    A range is often a part of a chunk. HDF5 keeps the last chunk unless it is larger than its cache; then each range
    would decompress it anew. So a data set with large chunks has a cache for one of them, while there is room.

    Args:
        file: open.
        paths: of the data sets.

    Attributes:
        chunk: entries of the longest chunk; 0 if there are no chunks.
        compression: of the first data set, as h5py calls it, with its level.
    """

    def __init__(self, file: Any, paths: Iterable[str]) -> None:
        self._file = file
        self._open: dict[str, Any] = {}
        self._taken = 0
        self._lock = threading.Lock()
        self.chunk = 0
        self.compression: str | None = None
        self._bytes: dict[str, int] = {}
        for path in dict.fromkeys(paths):
            item = file[path]
            if not self._bytes:
                level = f"({item.compression_opts})" if item.compression == "gzip" else ""
                self.compression = f"{item.compression}{level}" if item.compression else None
            self._bytes[path] = 0
            if item.chunks:
                self.chunk = max(self.chunk, item.chunks[0])
                size = item.dtype.itemsize
                for length in item.chunks:
                    size *= length
                self._bytes[path] = size

    def get(self, path: str) -> Any:
        """Return the data set with this path."""
        with self._lock:
            found = self._open.get(path)
            if found is None:
                found = self._open[path] = self._opened(path)
            return found

    def close(self) -> None:
        """Forget all data sets, and give back the room for their chunks."""
        with self._lock:
            self._open.clear()
            ROOM.give(self._taken)
            self._taken = 0

    def _opened(self, path: str) -> Any:
        import h5py

        size = self._bytes[path]
        if size <= _CACHE or not ROOM.take(size):
            return self._file[path]
        self._taken += size
        access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
        access.set_chunk_cache(_SLOTS, size, 1.0)
        return h5py.Dataset(h5py.h5d.open(self._file.id, path.encode(), access))
