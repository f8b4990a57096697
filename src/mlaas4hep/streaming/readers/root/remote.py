"""Remote files for uproot and for our own reading of baskets, through one connection that outlives faults."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from typing import Any

from uproot.source.chunk import Chunk, Source
from uproot.source.futures import TrivialFuture

from mlaas4hep.streaming.remote.connection import Connection, connection_to

__all__ = ["RemoteSource"]


class RemoteSource(Source):  # type: ignore[misc]
    """A file on servers; a read returns when its bytes are there.

    Args:
        file_path: URL, for messages.
        connection: to the file.
    """

    def __init__(self, file_path: str, *, connection: Connection, **options: Any) -> None:
        del options  # of uproot
        super().__init__()
        self._path = file_path
        self._connection = connection

    @staticmethod
    def connect(path: str) -> Connection:
        """Return a connection to a ROOT file; nothing is opened before the first read."""
        return connection_to(path, parts_only=True)

    def __repr__(self) -> str:
        return f"<RemoteSource at 0x{id(self):012x}>"

    @property
    def file_path(self) -> str:
        """See uproot's ``Source``."""
        return self._path

    @property
    def num_bytes(self) -> int:
        """See uproot's ``Source``."""
        return int(self._connection.size or 0)

    def chunk(self, start: int, stop: int) -> Any:
        """See uproot's ``Source``.

        Raises:
            FileReadError: the bytes cannot be read.
        """
        return self.chunks([(start, stop)], queue.Queue())[0]

    def chunks(self, ranges: Sequence[tuple[int, int]], notifications: queue.Queue[Any]) -> list[Any]:
        """See uproot's ``Source``.

        Raises:
            FileReadError: the bytes cannot be read.
        """
        wanted = [(int(start), int(stop)) for start, stop in ranges]
        chunks = [
            Chunk(self, *pair, TrivialFuture(data))
            for pair, data in zip(wanted, self._connection.read(wanted), strict=True)
        ]
        for chunk in chunks:
            notifications.put(chunk)
        return chunks

    @property
    def closed(self) -> bool:
        """True once the file is closed."""
        return self._connection.closed

    def __enter__(self) -> RemoteSource:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()
