"""A file while it is written: under a name of its own, locked, and gone at any end unless it was published."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from pathlib import Path

from mlaas4hep.atomic.locks import try_lock
from mlaas4hep.streaming.cache.descriptor import Descriptor
from mlaas4hep.streaming.cache.filesystem import reserve
from mlaas4hep.streaming.cache.folder import partial_name

__all__ = ["Partial"]


class Partial:
    """A new file of the cache that has its full size and is not published yet.

    It vanishes when it is discarded, when it is collected as garbage, and at the end of the interpreter.
    What only a kill leaves, `clean` removes.

    Args:
        path: where it is to be in the end.
        size: in bytes.

    Raises:
        OSError: the file cannot be made, or there is no space for it.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._beside = path.with_name(partial_name(path.name))
        self._process = os.getpid()
        # Before the file is there: an interrupt may come between any two steps.
        self._end = weakref.finalize(self, _remove, self._beside, self._process)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            number = os.open(self._beside, flags, 0o600)
            self.descriptor = Descriptor(number)
            try_lock(number)
            reserve(number, size)
        except BaseException:
            self.discard()
            raise

    @property
    def ours(self) -> bool:
        """Whether this is the process that made it, not a forked child."""
        return self._process == os.getpid()

    def publish(self) -> None:
        """Give it its name.

        It is not forced onto the disk: whoever reads it after a power failure finds by its checksums what is missing.

        Raises:
            OSError: the system refuses, or somebody removed the file.
        """
        self._beside.rename(self.path)
        self._end.detach()

    def discard(self) -> None:
        """Remove it unless it is published, and close it."""
        _remove(self._beside, self._process)
        self._end.detach()
        with suppress(AttributeError):  # it was never opened
            self.descriptor.close()


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:
        with suppress(OSError):
            path.unlink()
