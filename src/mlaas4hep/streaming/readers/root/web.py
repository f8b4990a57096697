"""ROOT files on web servers for uproot; closing one, or stopping the command, waits for no answer.

A thread that waits for a server cannot be ended. Here whoever wants the answer is told that there is none, and the
thread, which keeps nothing alive, ends by itself.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Final
from weakref import WeakSet

from uproot.source.chunk import Chunk, Source, notifier
from uproot.source.futures import ResourceFuture

from mlaas4hep.streaming.remote import http_client
from mlaas4hep.streaming.remote.waiting import register

__all__ = ["WebSource"]

_CONNECTIONS: Final = 8
_GAP: Final = 1 << 15  # bytes nobody asked for that are read rather than asked for apart
_PART: Final = 1 << 22  # bytes of one request

_Group = list[tuple[int, int, Any]]


class WebSource(Source):  # type: ignore[misc]
    """A file on a web server: neighbouring ranges in one request, several requests at a time.

    Args:
        file_path: URL.
        **options: of uproot; ``timeout`` in seconds is used.
    """

    def __init__(self, file_path: str, **options: Any) -> None:
        super().__init__()
        self._file_path = file_path
        self._timeout = float(options.get("timeout") or http_client.TIMEOUT)
        self._wanted: WeakSet[Any] = WeakSet()
        self._wanted_lock = threading.Lock()
        self._ended = False
        self._size: int | None = None
        self._turns = threading.Semaphore(_CONNECTIONS)
        register(self)

    def __repr__(self) -> str:
        return f"<WebSource at 0x{id(self):012x}>"

    @property
    def num_bytes(self) -> int:
        """Size of the file; see uproot's ``Source``."""
        if self._size is None:
            self._size = int(http_client.describe(self._file_path, self._timeout)["content-length"])
        return self._size

    @property
    def closed(self) -> bool:
        """True once the file is closed."""
        return self._ended

    def chunk(self, start: int, stop: int) -> Any:
        """See uproot's ``Source``.

        Raises:
            OSError: the file is closed.
        """
        return self.chunks([(start, stop)], queue.Queue())[0]

    def chunks(self, ranges: Sequence[tuple[int, int]], notifications: queue.Queue[Any]) -> list[Any]:
        """See uproot's ``Source``; what goes wrong is raised where a chunk is used.

        Raises:
            OSError: the file is closed.
        """
        made = []
        wanted: _Group = []
        for start, stop in ((int(start), int(stop)) for start, stop in ranges):
            future = _Future()
            chunk = Chunk(self, start, stop, future)
            future._set_notify(notifier(chunk, notifications))
            made.append(chunk)
            wanted.append((start, stop, future))
        with self._wanted_lock:
            if self._ended:
                msg = f"{self._file_path} is closed"
                raise OSError(msg)
            self._wanted.update(future for _, _, future in wanted)
        self._num_requested_chunks += len(made)
        for group in _groups(wanted):
            self._num_requests += 1
            self._num_requested_bytes += max(stop for _, stop, _ in group) - group[0][0]
            threading.Thread(target=self._fetch, args=(group,), name="web", daemon=True).start()
        return made

    def hang_up(self) -> None:
        """Let all reads that wait fail at once, in whatever thread; nothing more is read."""
        with self._wanted_lock:
            self._ended = True
            wanted = list(self._wanted)
        _fail(wanted, OSError("the file was closed while it was read"))

    def __enter__(self) -> WebSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.hang_up()

    def _fetch(self, group: _Group) -> None:
        start = group[0][0]
        try:
            with self._turns:
                if self._ended:
                    return
                data = http_client.read(
                    self._file_path, start, max(stop for _, stop, _ in group), timeout=self._timeout
                )
        except Exception as error:
            _fail((future for _, _, future in group), error)
            return
        view = memoryview(data)
        for begin, stop, future in group:
            future.give(view[begin - start : stop - start])


class _Future(ResourceFuture):  # type: ignore[misc]
    """Bytes that are on their way."""

    def __init__(self) -> None:
        super().__init__(lambda data: data)

    def give(self, data: memoryview) -> None:
        """Have them; too late if it failed already."""
        if not self._finished.is_set():
            self._run(data)


def _groups(wanted: _Group) -> Iterable[_Group]:
    """Ranges in ascending order, those together that lie close."""
    group: _Group = []
    end = 0
    for entry in sorted(wanted, key=lambda entry: entry[:2]):
        if group and (entry[0] > end + _GAP or max(end, entry[1]) - group[0][0] > _PART):
            yield group
            group = []
        end = max(end, entry[1]) if group else entry[1]
        group.append(entry)
    if group:
        yield group


def _fail(futures: Iterable[Any], error: Exception) -> None:
    for future in futures:
        future._set_excinfo(error)
