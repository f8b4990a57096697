"""The files of a cache: their names, which there are, the mark for backup programs, and what dead runs left."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlaas4hep.atomic.locks import try_lock
from mlaas4hep.streaming.cache.filesystem import boot, is_network

__all__ = ["BLOCKS", "DOCUMENT", "TAG", "CacheFile", "clean", "files", "partial_name", "prepare"]

BLOCKS = ".blocks"
DOCUMENT = ".document"
TAG = "CACHEDIR.TAG"

_NAME = re.compile(r"[0-9a-f]{16,128}\.(?:blocks|document)(?:\.([0-9a-f]{8})-[0-9a-f]{16}\.partial)?")
_TAG_TEXT = b"""Signature: 8a477f597d28d172789f06886806bc55
# A cache of MLaaS4HEP: backup programs that know https://bford.info/cachedir/ leave this folder out.
# Any file here may be deleted at any time, also while runs use it; what is needed is made again.
"""
_OLD = 24 * 3600.0


@dataclass(frozen=True)
class CacheFile:
    """A regular file of the cache.

    Attributes:
        path: of the file.
        size: in bytes.
        used: when it was last used, or written to, in seconds since 1970.
        boot: of a file being written, the kernel it is written under; else None.
    """

    path: Path
    size: int
    used: float
    boot: str | None


def partial_name(name: str) -> str:
    """Return a name of its own for a file that is being written."""
    return f"{name}.{boot()}-{secrets.token_hex(8)}.partial"


def files(folder: Path) -> list[CacheFile]:
    """Return all files of the cache; others are not looked at.

    Raises:
        OSError: there is no such folder, or it cannot be read.
    """
    found: list[CacheFile] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = _NAME.fullmatch(entry.name)
            if name is None:
                continue
            with suppress(FileNotFoundError):  # another run was faster
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append(CacheFile(folder / entry.name, status.st_size, status.st_mtime, name[1]))
    return found


def prepare(folder: Path) -> None:
    """Make the folder, for this user alone, and mark it, unless it holds other things too.

    Raises:
        OSError: the system refuses.
    """
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from error
    tag = folder / TAG
    with os.scandir(folder) as entries:
        if any(entry.name != TAG and not _NAME.fullmatch(entry.name) for entry in entries):
            return
    with suppress(PermissionError):  # a folder that may only be read is a cache all the same
        descriptor = os.open(tag, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < len(_TAG_TEXT):
                os.pwrite(descriptor, _TAG_TEXT, 0)
        finally:
            os.close(descriptor)


def clean(folder: Path) -> list[CacheFile]:
    """Remove what runs left that were killed.

    A file is left over if nobody holds its lock. Where locks may mean nothing, because another machine writes the file
    or because the file system has none, it must not have been written to for a day as well.

    Returns:
        Files that another process is writing now, as their locks say.

    Raises:
        OSError: the folder cannot be read.
    """
    alive: list[CacheFile] = []
    network = is_network(folder)
    for found in files(folder):
        if found.boot is None:
            continue
        with suppress(OSError):
            descriptor = os.open(found.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                locked = try_lock(descriptor)
                sure = locked and (not network or found.boot == boot())
                if locked is False:
                    alive.append(found)
                elif sure or time.time() - found.used > _OLD:
                    found.path.unlink()
            finally:
                os.close(descriptor)
    return alive
