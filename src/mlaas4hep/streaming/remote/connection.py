"""One file on servers, kept open through faults: opened again, or elsewhere, as the policy says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from mlaas4hep.credentials.check import explain
from mlaas4hep.errors import FileError, FileReadError, MLaaS4HEPError, without_credentials
from mlaas4hep.errors.reading import (
    AuthenticationError,
    CorruptFileError,
    NoRangeRequestsError,
    PermissionDeniedError,
)
from mlaas4hep.streaming.remote.errors import read_error
from mlaas4hep.streaming.remote.location import policy_of, replicas_of
from mlaas4hep.streaming.remote.policy import Attempts, by_health, works
from mlaas4hep.streaming.remote.schemes import scheme_of
from mlaas4hep.streaming.remote.transport import Range, Transport
from mlaas4hep.streaming.remote.waiting import register

__all__ = ["Connection", "connection_to"]

Result = TypeVar("Result")

_PIECE = 8 << 20
"""Bytes that are asked for at once at most, so that a slow connection shows progress."""

_WITNESS = 4096
"""Bytes of the first and of the last read by which a file is known again."""


class Connection:
    """A file that can be read from in several threads.

    The first failure that the policy does not forgive is final: later reads raise it at once, so that a file that
    comes back is not half there.

    Args:
        path: URL, or `RemotePath` with further places of the file and the policy.
        reach: gives what opens a URL of it.
        parts_only: refuse a server that sends only whole files, even if the file is small.
    """

    def __init__(self, path: str, reach: Callable[[str], Transport], *, parts_only: bool = False) -> None:
        self._path = path
        self._reach = reach
        self._parts_only = parts_only
        self._places = by_health(replicas_of(path))
        self._policy = policy_of(path)
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._transport: Transport | None = None
        self._opening: Transport | None = None
        self._place = self._places[0]
        self._lost: FileReadError | None = None
        self._witnesses: list[tuple[Range, bytes]] = []
        self._size: int | None = None
        self._stopped = threading.Event()
        self._closed = False
        register(self)

    @property
    def closed(self) -> bool:
        """True once it was closed."""
        return self._closed

    @property
    def size(self) -> int | None:
        """Bytes of the file; None: the server does not tell.

        Raises:
            FileReadError: it cannot be reached.
        """
        if self._size is None:
            self._size = self._run(Attempts(self._places, self._policy, self._stopped), lambda opened: opened.size)
        return self._size

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of each range; fewer where the file ends before.

        What has arrived is kept through faults; only the rest is asked for again.

        Raises:
            FileReadError: they cannot be read.
        """
        size = self.size
        wanted = ranges if size is None else [(start, min(stop, max(start, size))) for start, stop in ranges]
        pieces = [(at, min(at + _PIECE, stop)) for start, stop in wanted for at in range(start, stop, _PIECE)]
        found: dict[int, bytes] = {}
        attempts = Attempts(self._places, self._policy, self._stopped)

        def rest(opened: Transport) -> None:
            left = [number for number in range(len(pieces)) if number not in found]

            def arrived(number: int, data: bytes) -> None:
                found[left[number]] = data
                attempts.progress()

            opened.read([pieces[number] for number in left], arrived)

        if pieces:
            self._run(attempts, rest)
            self._remember([*zip(pieces, (found[n] for n in range(len(pieces))), strict=True)])
        numbers = iter(range(len(pieces)))
        counts = [len(range(start, stop, _PIECE)) for start, stop in wanted]
        return [b"".join(found[next(numbers)] for _ in range(count)) for count in counts]

    def hang_up(self) -> None:
        """Let all that waits fail at once; nothing more is asked for."""
        self._stopped.set()
        with self._lock:
            found = [transport for transport in (self._opening, self._transport) if transport is not None]
        for transport in found:
            transport.hang_up()

    def close(self) -> None:
        """Release the file; reads that have begun end with an error."""
        self._closed = True
        self.hang_up()
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def _run(self, attempts: Attempts, work: Callable[[Transport], Result]) -> Result:
        while True:
            if self._lost is not None:
                raise self._lost
            if self._over():
                msg = f"{without_credentials(self._path)} is closed"
                raise OSError(msg)
            opened, place = None, self._place
            try:
                opened, place = self._opened()
                result = work(opened)
            except (ImportError, MLaaS4HEPError) as error:
                if not isinstance(error, FileError):
                    raise
                failure = read_error(place, error)
            except Exception as error:
                failure = _explained(read_error(place, error), place)
                failure.__cause__ = error
            else:
                works(place)
                return result
            self._drop(opened)
            if self._over():
                continue
            try:
                following = attempts.after(place, failure)
            except FileReadError as error:
                if not self._closed:
                    self._lost = error
                raise
            with self._lock:
                if self._transport is None:
                    self._place = following

    def _over(self) -> bool:
        return self._closed or self._stopped.is_set()

    def _opened(self) -> tuple[Transport, str]:
        """Return the open file and where it is; one thread opens it, others wait for that."""
        with self._turn:
            with self._lock:
                if self._transport is not None:
                    return self._transport, self._place
                place = self._place
            transport = self._reach(place)
            with self._lock:
                self._opening = transport
            try:
                if self._over():
                    transport.hang_up()
                transport.open()
                self._check(transport, place)
            except BaseException:
                transport.close()
                raise
            with self._lock:
                self._opening, self._transport = None, transport
            return transport, place

    def _drop(self, broken: Transport | None) -> None:
        """Let go of a connection that failed, unless another thread has replaced it already."""
        with self._lock:
            if broken is None or self._transport is not broken:
                return
            self._transport = None
        with suppress(Exception):
            broken.close()

    def _remember(self, read: Sequence[tuple[Range, bytes]]) -> None:
        (start, _), data = read[-1]
        part = data[:_WITNESS]
        witness = ((start, start + len(part)), part)
        self._witnesses = [self._witnesses[0] if self._witnesses else witness, witness]

    def _check(self, opened: Transport, place: str) -> None:
        """See that it is the same file as before.

        Raises:
            CorruptFileError: it is another one.
            NoRangeRequestsError: the server sends only whole files.
        """
        if self._parts_only and getattr(opened, "whole_only", False):
            raise NoRangeRequestsError(where=place)
        if not self._witnesses:
            return
        found: dict[int, bytes] = {}
        opened.read([place for place, _ in self._witnesses], found.__setitem__)
        same = all(found.get(number) == data for number, (_, data) in enumerate(self._witnesses))
        if not same or (self._size is not None and opened.size not in {None, self._size}):
            hint = "it was replaced while it was read, or the copies differ: start again"
            raise CorruptFileError("is another file than before", where=place, hint=hint)


def _explained(failure: FileReadError, place: str) -> FileReadError:
    """The failure; of one that credentials may be the reason for, with those that were found."""
    refused = isinstance(failure, AuthenticationError) and failure.what == AuthenticationError.usual
    kinds = scheme_of(place).credentials
    if kinds and (refused or isinstance(failure, PermissionDeniedError)):
        failure.hint = f"{failure.hint}; {explain(kinds)}"
    return failure


def connection_to(path: str, *, parts_only: bool = False) -> Connection:
    """Return a connection to a file, which is opened by the first read, by its scheme and as its policy says.

    Args:
        path: URL, or `RemotePath`.
        parts_only: see `Connection`.
    """
    policy = policy_of(path)

    def reach(url: str) -> Transport:
        scheme = scheme_of(url)
        scheme.prepare()
        return scheme.transport(url, policy)

    return Connection(path, reach, parts_only=parts_only)
