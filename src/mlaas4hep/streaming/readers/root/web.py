"""ROOT files on web servers: uproot's source, but closing it, or stopping the command, waits for no answer.

A thread of uproot's own that waits for a server cannot be ended, and uproot waits for it when a file is closed. Here
whoever wants the answer is told that there is none, and the thread, which keeps nothing alive, ends by itself.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from uproot.source.http import HTTPSource

from mlaas4hep.streaming.remote.waiting import register

__all__ = ["WebSource"]


class WebSource(HTTPSource):  # type: ignore[misc]
    """A file on a web server. Unlike others of uproot it notices a server that sends the whole file for every part."""

    def __init__(self, file_path: str, **options: Any) -> None:
        self._wanted: WeakSet[Any] = WeakSet()
        self._wanted_lock = threading.Lock()
        self._ended = False
        super().__init__(file_path, **options)
        register(self)

    def chunk(self, start: int, stop: int) -> Any:
        """See uproot's ``Source``.

        Raises:
            OSError: the file is closed, or the server cannot be reached.
        """
        self._check()
        return self._want([super().chunk(start, stop)])[0]

    def chunks(self, ranges: list[tuple[int, int]], notifications: queue.Queue[Any]) -> list[Any]:
        """See uproot's ``Source``.

        Raises:
            OSError: the file is closed, or the server cannot be reached.
        """
        self._check()
        return self._want(super().chunks(ranges, notifications))

    def hang_up(self) -> None:
        """Let all reads that wait fail at once, in whatever thread; nothing more is read."""
        with self._wanted_lock:
            self._ended = True
            wanted = list(self._wanted)
        _fail(wanted)

    def __exit__(self, *error: object) -> None:
        self.hang_up()
        if sys.is_finalizing():  # the process ends, and with it all threads; a new one would never begin
            return
        with suppress(RuntimeError):  # it ends just now
            threading.Thread(target=super().__exit__, args=(None, None, None), name="hang-up", daemon=True).start()

    def _check(self) -> None:
        if self._ended:
            msg = f"{self._file_path} is closed"
            raise OSError(msg)

    def _want(self, chunks: list[Any]) -> list[Any]:
        with self._wanted_lock:
            self._wanted.update(chunks)
            ended = self._ended
        if ended:
            _fail(chunks)
        return chunks


def _fail(chunks: Iterable[Any]) -> None:
    for chunk in chunks:
        future = chunk.future
        if future is not None:  # else it has its data
            future._set_excinfo(OSError("the file was closed while it was read"))
