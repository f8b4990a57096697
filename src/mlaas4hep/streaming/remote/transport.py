"""How the bytes of a file on a server are asked for: what every way to do it offers, and the one through fsspec."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Protocol

from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors.reading import FolderError, NoRangeRequestsError

__all__ = ["TOGETHER", "Arrived", "Calls", "FsspecTransport", "Range", "Transport", "grouped"]

TOGETHER = 8
"""Requests that are under way at the same time for one read."""

PART = 8 << 20
"""Bytes of a request for neighbouring ranges at most."""

Range = tuple[int, int]
Arrived = Callable[[int, bytes], None]
"""Is told the number of a range and its bytes."""


class Transport(Protocol):
    """One file on a server; once it is open it may be read from in several threads."""

    @property
    def size(self) -> int | None:
        """Bytes of the file; None: not known."""

    def open(self) -> None:
        """Open the file.

        Raises:
            Exception: what the client says.
        """

    def read(self, ranges: Sequence[Range], arrived: Arrived) -> None:
        """Ask for ranges, each of some MiB at most, and hand over each as it comes.

        Raises:
            Exception: what the client says of the first that fails.
        """

    def hang_up(self) -> None:
        """Let all that waits fail at once, and all that would wait from now on."""

    def close(self) -> None:
        """Release the file, without waiting for a server that is gone."""


def grouped(ranges: Sequence[Range], gap: int) -> Iterator[list[int]]:
    """Yield the numbers of ranges in ascending order of their places, those together that lie close.

    Args:
        ranges: in any order; they may overlap.
        gap: bytes nobody asked for that are read rather than asked for apart.
    """
    group: list[int] = []
    first = end = 0
    for number in sorted(range(len(ranges)), key=lambda n: ranges[n]):
        start, stop = ranges[number]
        if group and (start > end + gap or max(end, stop) - first > PART):
            yield group
            group = []
        if not group:
            first = end = start
        end = max(end, stop)
        group.append(number)
    if group:
        yield group


class Calls:
    """Calls that wait for a server, each in a thread of its own that nobody has to wait for."""

    def __init__(self) -> None:
        self._waiting: set[Future[Any]] = set()
        self._ended = False

    def begin(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
        """Make a call in a thread; give its result."""
        answer: Future[Any] = Future()
        work = (answer, call, arguments, options)
        threading.Thread(target=_answered, args=work, name="mlaas4hep-server", daemon=True).start()
        return self.wait_for(answer)

    def wait_for(self, answer: Future[Any]) -> Future[Any]:
        """Count a result that is on its way among those that `hang_up` ends."""
        self._waiting.add(answer)
        answer.add_done_callback(self._waiting.discard)
        if self._ended:
            answer.cancel()
        return answer

    def hang_up(self) -> None:
        """Let all that waits fail at once, and all that would wait from now on."""
        self._ended = True
        for answer in list(self._waiting):
            answer.cancel()


def _answered(answer: Future[Any], call: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]) -> None:
    """Make a call; nobody may be waiting for its result any more."""
    try:
        result = call(*arguments, **options)
    except BaseException as error:
        with suppress(InvalidStateError):
            answer.set_exception(error)
    else:
        with suppress(InvalidStateError):
            answer.set_result(result)


class FsspecTransport:
    """A file through fsspec, whatever its scheme. No request is waited for longer than the policy says.

    Args:
        url: of the file.
        policy: time-outs.
    """

    def __init__(self, url: str, policy: Remote) -> None:
        self._url = url
        self._timeout = policy.connection_timeout + policy.request_timeout
        self._calls = Calls()
        self.size: int | None = None

    def open(self) -> None:
        """See `Transport`.

        Raises:
            FolderError: it is a folder.
        """
        import fsspec

        self._system, self._path = fsspec.core.url_to_fs(self._url)
        about = self._ask("info", self._path).result(self._timeout)
        if about.get("type") == "directory":
            raise FolderError(where=self._url)
        self.size = about.get("size")

    def read(self, ranges: Sequence[Range], arrived: Arrived) -> None:
        """See `Transport`.

        Raises:
            NoRangeRequestsError: the server sends more than it was asked for.
        """
        for begin in range(0, len(ranges), TOGETHER):
            part = ranges[begin : begin + TOGETHER]
            asked = [self._ask("cat_file", self._path, start=start, end=stop) for start, stop in part]
            for number, answer in enumerate(asked, begin):
                data = answer.result(self._timeout)
                if len(data) > ranges[number][1] - ranges[number][0]:
                    raise NoRangeRequestsError(where=self._path)
                arrived(number, data)

    def hang_up(self) -> None:
        """See `Transport`."""
        self._calls.hang_up()

    def close(self) -> None:
        """See `Transport`; what is still under way is dropped."""
        self._calls.hang_up()

    def _ask(self, name: str, *arguments: Any, **options: Any) -> Future[Any]:
        """Begin a call of the file system, in its loop or in a thread."""
        import fsspec.asyn

        if not self._system.async_impl:
            return self._calls.begin(getattr(self._system, name), *arguments, **options)
        call = getattr(self._system, f"_{name}")(*arguments, **options)
        return self._calls.wait_for(asyncio.run_coroutine_threadsafe(call, fsspec.asyn.get_loop()))
