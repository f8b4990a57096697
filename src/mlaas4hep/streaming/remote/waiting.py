"""Reads that wait for a server: who stops the command ends them all, whatever thread they are in."""

from __future__ import annotations

import threading
from typing import Protocol
from weakref import WeakSet

__all__ = ["Waiting", "hang_up", "register", "wait_again"]


class Waiting(Protocol):
    """What may wait for a server."""

    def hang_up(self) -> None:
        """Let all that waits fail at once; nothing more is asked for."""


_open: WeakSet[Waiting] = WeakSet()
_lock = threading.Lock()
_ended = False


def register(waiting: Waiting) -> None:
    """Have it hung up with all others; at once, if they have been already."""
    with _lock:
        _open.add(waiting)
        ended = _ended
    if ended:
        waiting.hang_up()


def hang_up() -> None:
    """End what waits, and what would wait from now on."""
    global _ended  # noqa: PLW0603 - a process is stopped as a whole
    with _lock:
        _ended = True
        found = list(_open)
    for waiting in found:
        waiting.hang_up()


def wait_again() -> None:
    """Allow it again: another command begins in the same process."""
    global _ended  # noqa: PLW0603 - a process is stopped as a whole
    _ended = False
