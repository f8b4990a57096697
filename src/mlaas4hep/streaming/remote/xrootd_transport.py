"""Files behind XRootD, by the client itself: vector reads, and errors with their numbers."""

from __future__ import annotations

import importlib
import math
import queue
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors import FileReadError
from mlaas4hep.errors.reading import FolderError
from mlaas4hep.streaming.remote.errors import XRootDError
from mlaas4hep.streaming.remote.transport import Arrived, Range, grouped
from mlaas4hep.streaming.remote.xrootd import apply, request_seconds

__all__ = ["XRootDTransport"]

_MOST_RANGES = 1024
_LARGEST_RANGE = (2 << 20) - 16
"""Limits of a vector read that all servers accept."""

_MOST_BYTES = 16 << 20
"""Of one request, so that a slow connection shows progress in time."""

_TOGETHER = 4
_GRACE = 5.0
"""Seconds after which the client's own time-out is no longer waited for."""

_Answer = "queue.SimpleQueue[tuple[Any, Any] | None]"


class XRootDTransport:
    """A file opened for reading; see `Transport`.

    Args:
        url: of the file.
        policy: time-outs.
    """

    def __init__(self, url: str, policy: Remote) -> None:
        apply(policy)
        self._url = url
        self._timeout = math.ceil(request_seconds(policy))
        self._answers: set[Any] = set()
        self._ended = False
        self._file = importlib.import_module("XRootD.client").File()
        self.size: int | None = None

    def open(self) -> None:
        """See `Transport`.

        Raises:
            XRootDError: it cannot be opened.
            FileReadError: the URL has no host, or names a folder.
        """
        client, flags = (importlib.import_module(f"XRootD.client{name}") for name in ("", ".flags"))
        if not client.URL(self._url).hostname:
            raise FileReadError("the URL has no host", where=self._url, hint="write root://host//path")
        self._wait(self._ask(self._file.open, self._url, flags.OpenFlags.READ))
        about = self._wait(self._ask(self._file.stat))
        if about.flags & flags.StatInfoFlags.IS_DIR:
            raise FolderError(where=self._url)
        self.size = int(about.size)

    def read(self, ranges: Sequence[Range], arrived: Arrived) -> None:
        """See `Transport`; ranges that touch are one, since servers refuse those that overlap in a vector read."""
        groups = list(grouped(ranges, 0))
        spans = [(ranges[group[0]][0], max(ranges[number][1] for number in group)) for group in groups]

        def hand_over(number: int, data: bytes) -> None:
            first = spans[number][0]
            for one in groups[number]:
                arrived(one, data[ranges[one][0] - first : ranges[one][1] - first])

        waiting: deque[tuple[list[int], Any]] = deque()
        for numbers in _requests(spans):
            if len(waiting) == _TOGETHER:
                self._hand_over(*waiting.popleft(), hand_over)
            pieces = [(start, stop - start) for start, stop in (spans[number] for number in numbers)]
            if len(pieces) == 1:
                waiting.append((numbers, self._ask(self._file.read, *pieces[0])))
            else:
                waiting.append((numbers, self._ask(self._file.vector_read, pieces)))
        while waiting:
            self._hand_over(*waiting.popleft(), hand_over)

    def hang_up(self) -> None:
        """See `Transport`."""
        self._ended = True
        for answer in list(self._answers):
            answer.put(None)

    def close(self) -> None:
        """See `Transport`."""
        if self._file.is_open():
            self._file.close(timeout=1, callback=lambda *_answer: None)

    def _hand_over(self, numbers: Sequence[int], answer: Any, arrived: Arrived) -> None:
        response = self._wait(answer)
        parts = [response] if len(numbers) == 1 else [part.buffer for part in response]
        for number, data in zip(numbers, parts, strict=True):
            arrived(number, bytes(data))

    def _ask(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Send a request; its answer comes through a queue."""
        answer: queue.SimpleQueue[tuple[Any, Any] | None] = queue.SimpleQueue()
        self._answers.add(answer)
        if self._ended:
            answer.put(None)
            return answer
        status = method(
            *arguments,
            timeout=self._timeout,
            callback=lambda status, response, _hosts: answer.put((status, response)),
        )
        if not status.ok:
            self._answers.discard(answer)
            raise XRootDError(status)
        return answer

    def _wait(self, answer: Any) -> Any:
        try:
            found = answer.get(timeout=self._timeout + _GRACE)
        except queue.Empty:
            raise TimeoutError from None
        finally:
            self._answers.discard(answer)
        if found is None:
            msg = "the file was closed while it was read"
            raise OSError(msg)
        status, response = found
        if not status.ok:
            raise XRootDError(status)
        return response


def _requests(ranges: Sequence[Range]) -> Iterator[list[int]]:
    """Yield the numbers of ranges that go into one request."""
    for large, group in groupby(range(len(ranges)), lambda n: ranges[n][1] - ranges[n][0] > _LARGEST_RANGE):
        together: list[int] = []
        size = 0
        for number in group:
            length = ranges[number][1] - ranges[number][0]
            if together and (large or len(together) == _MOST_RANGES or size + length > _MOST_BYTES):
                yield together
                together, size = [], 0
            together.append(number)
            size += length
        yield together
