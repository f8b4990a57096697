"""When and where a failed read is tried again: one policy for all kinds of storage.

Only what may heal is tried again, after pauses that grow and are drawn by chance, so that many clients do not come
back at the same moment. A copy elsewhere is tried first, whatever the failure. Time counts from the last progress,
not from the beginning of an operation: a slow server is no fault, a silent one is.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.errors import FileReadError, without_credentials

__all__ = ["Attempts", "by_health", "forget", "host_of", "works"]

FIRST_PAUSE = 0.5
"""Seconds: the limit of the first pause, which doubles with each up to the policy's."""

REMEMBERED = 120.0
"""Seconds for which a host that failed comes last."""

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_failed: dict[str, float] = {}
"""When a host failed last, of those that have not answered since."""
_given_up: dict[str, float] = {}
"""When a file of a host was given up, of those that have not answered since."""
_told: dict[str, str] = {}
"""What was last said of a host."""


def host_of(url: str) -> str:
    """Return scheme and host of a URL, without credentials."""
    parts = urlsplit(without_credentials(url))
    return f"{parts.scheme}://{parts.netloc}"


def by_health(places: Iterable[str]) -> list[str]:
    """Return URLs of one file in order of preference, those on hosts that failed a moment ago last."""
    now = time.monotonic()
    with _lock:
        return sorted(places, key=lambda place: now - _failed.get(host_of(place), -REMEMBERED) < REMEMBERED)


def works(place: str) -> None:
    """Remember that the host of a URL answers."""
    host = host_of(place)
    if host in _failed:
        with _lock:
            for known in (_failed, _given_up, _told):
                known.pop(host, None)


def forget() -> None:
    """Forget all hosts."""
    with _lock:
        for known in (_failed, _given_up, _told):
            known.clear()


class Attempts:
    """The attempts at one operation.

    Args:
        places: URLs of the same file, in order of preference.
        policy: how often and how long.
        stopped: set when the command is stopped; it ends pauses.
    """

    def __init__(self, places: Sequence[str], policy: Remote, stopped: threading.Event) -> None:
        self._places, self._policy, self._stopped = places, policy, stopped
        self._last: dict[str, FileReadError] = {}
        self.count = 0
        self.progress()

    def progress(self) -> None:
        """Something has arrived: all limits begin anew."""
        self._since = time.monotonic()
        self._failed_now: set[str] = set()
        self._pauses = self._retries = 0

    def after(self, place: str, error: FileReadError) -> str:
        """Return where to try again after a failure, when it is time to.

        Args:
            place: where it failed.
            error: how.

        Raises:
            FileReadError: it is not tried again.
        """
        self.count += 1
        self._last[place] = error
        self._failed_now.add(place)
        if error.may_heal:
            with _lock:
                _failed[host_of(place)] = time.monotonic()
        fresh = [other for other in self._places if other not in self._failed_now]
        if fresh and not self._stopped.is_set():
            _tell(place, error, f"reading goes on from {host_of(fresh[0])}")
            return fresh[0]
        healing = [other for other in self._places if other in self._last and self._last[other].may_heal]
        pause = random.uniform(0.0, min(self._policy.longest_pause, FIRST_PAUSE * 2.0**self._pauses))
        late = time.monotonic() - self._since + pause > self._patience(healing)
        if not healing or late or self._retries >= self._policy.retries or self._stopped.is_set():
            raise self._end(healing)
        _tell(place, error, f"trying again for {self._policy.give_up_after:g} s")
        self._pauses += 1
        self._retries += 1
        self._failed_now -= set(healing)
        self._stopped.wait(pause)
        return healing[0]

    def _patience(self, healing: Sequence[str]) -> float:
        """Seconds without progress; none where all hosts were given up a moment ago."""
        now = time.monotonic()
        with _lock:
            lost = all(now - _given_up.get(host_of(place), -REMEMBERED) < REMEMBERED for place in healing)
        return 0.0 if lost else self._policy.give_up_after

    def _end(self, healing: Sequence[str]) -> FileReadError:
        """The error of the preferred place, with what was tried."""
        error = next(self._last[place] for place in self._places if place in self._last)
        error.attempts = self.count
        others = [f"{host_of(place)}: {found.what}" for place, found in self._last.items() if found is not error]
        if others:
            error.what += f" (nor from {'; '.join(others)})"
        elif self.count > 1:
            error.what += f" (tried {self.count} times in {time.monotonic() - self._since:.0f} s)"
        with _lock:
            _given_up.update((host_of(place), time.monotonic()) for place in healing)
        return error


def _tell(place: str, error: FileReadError, what: str) -> None:
    """Log what is done about a host that fails, once until it answers again."""
    host = host_of(place)
    with _lock:
        known = _told.get(host) == what
        _told[host] = what
    if not known:
        _log.warning("%s: %s; %s", host, error.what, what)
