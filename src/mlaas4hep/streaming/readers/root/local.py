"""Local files for uproot and for our own reading of baskets: at most one file descriptor, no thread, no queue.

Every read says where it begins, so threads do not wait for each other, and whoever reads sees the file that was opened,
or an error, if another has been put in its place since.
"""

from __future__ import annotations

import os
import queue
import weakref
from collections.abc import Sequence
from typing import Any

from uproot.source.chunk import Chunk, Source
from uproot.source.futures import TrivialFuture

from mlaas4hep.streaming.readers.open_local import LocalFile

__all__ = ["LocalSource"]


class LocalSource(Source):  # type: ignore[misc]
    """An open local file; to be closed, but not before the last read that has begun is done.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, file_path: str, **options: Any) -> None:
        del options  # of uproot, for remote files
        super().__init__()
        self._path = file_path
        self._local = LocalFile(file_path)
        self._release = weakref.finalize(self, self._local.close)

    def __repr__(self) -> str:
        return f"<LocalSource {self._path!r}>"

    @property
    def file_path(self) -> str:
        """See uproot's ``Source``."""
        return self._path

    @property
    def num_bytes(self) -> int:
        """See uproot's ``Source``."""
        return self._local.size

    def bytes_at(self, start: int, stop: int) -> bytes:
        """Return what lies between two places of the file; less if the file ends before.

        Raises:
            OSError: the file is closed, or the medium fails.
        """
        with self._local.use() as descriptor:
            return _read(descriptor, start, stop - start)

    def chunk(self, start: int, stop: int) -> Any:
        """See uproot's ``Source``."""
        start, stop = int(start), int(stop)
        data = self.bytes_at(start, stop)
        return Chunk(self, start, stop, TrivialFuture(data))

    def chunks(self, ranges: Sequence[tuple[int, int]], notifications: queue.Queue[Any]) -> list[Any]:
        """See uproot's ``Source``."""
        chunks = [self.chunk(start, stop) for start, stop in ranges]
        for chunk in chunks:
            notifications.put(chunk)
        return chunks

    @property
    def closed(self) -> bool:
        """True once the file is closed."""
        return self._local.closed

    def __enter__(self) -> LocalSource:
        return self

    def __exit__(self, *error: object) -> None:
        self._release()


def _read(descriptor: int, start: int, size: int) -> bytes:
    """One read is enough but for gigabytes, and at the end of a file."""
    data = os.pread(descriptor, size, start)
    if len(data) == size or not data:
        return data
    parts = [data]
    got = len(data)
    while got < size:
        data = os.pread(descriptor, size - got, start + got)
        if not data:
            break
        parts.append(data)
        got += len(data)
    return b"".join(parts)
