"""Opening what is published, without following links or waiting for pipes, and removing what is damaged."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from mlaas4hep.streaming.cache.descriptor import Descriptor
from mlaas4hep.streaming.cache.head import Damaged

__all__ = ["open_file", "reason", "remove_file", "touch"]


def open_file(path: Path) -> tuple[Descriptor, os.stat_result]:
    """Return a published file and its status.

    Raises:
        FileNotFoundError: there is none.
        Damaged: it is a link, a folder or the like.
        OSError: it cannot be opened.
    """
    try:
        descriptor = Descriptor(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    except NotADirectoryError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            what = "it is a link or a socket, not a file"
            raise Damaged(what) from error
        raise
    with descriptor.use() as number:
        status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):
        descriptor.close()
        what = "it is not a regular file"
        raise Damaged(what)
    return descriptor, status


def touch(descriptor: Descriptor) -> None:
    """Note that a file is used now, if that is allowed."""
    with suppress(OSError), descriptor.use() as number:
        os.utime(number)


def remove_file(path: Path, status: os.stat_result | None = None) -> None:
    """Remove a file, or the link in its place, if that is allowed; with a status only if it is still that file."""
    with suppress(OSError):
        found = path.lstat()
        if status is None or (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino):
            path.unlink()


def reason(error: Exception) -> str:
    """Return what an error says, without number and path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
