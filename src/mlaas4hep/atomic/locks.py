"""Advisory locks: who is alive, and one at a time at the folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["guard", "try_lock"]

_PATIENCE = 10.0
_PAUSE = 0.01


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file until it is closed, or the process ends in whatever way.

    Returns:
        True: it is ours now; False: another holds it; None: the file system knows no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def guard(folder: Path, tag: Path) -> Iterator[None]:
    """Be alone in making room, cleaning and choosing who writes.

    That is politeness, not safety: without it two runs may write the same entry, or exceed the limit together, and what
    is published is whole all the same. Hence one waits ten seconds at most, and does without where there are no locks.

    Args:
        folder: of the cache.
        tag: a file in it that stays, to be locked; if it is not there, the folder is.
    """
    try:
        descriptor = os.open(tag, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + _PATIENCE
        while try_lock(descriptor) is False and time.monotonic() < until:
            time.sleep(_PAUSE)
        yield
    finally:
        with suppress(OSError):  # a forked child may keep the file open
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
