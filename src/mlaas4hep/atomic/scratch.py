"""Folders for what is not finished: each is locked while its process lives, and a killed process's go with the next."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlaas4hep.atomic.locks import try_lock

__all__ = ["NEW", "OLD", "fitting", "remove", "scratch", "sweep", "temporary_files", "workspace"]

NEW, OLD = "new", "old"
"""Names in a workspace: what is to take a place, and what was there, where both cannot change places at once."""
LONGEST = 255
ENDING = re.compile(r"\.[0-9a-f]{8}\.partial")
ROOM = len(".01234567.partial")


def fitting(name: str, before: str = "", behind: str = "", room: int = 0) -> str:
    """Return a name with something before and behind it, of 255 bytes at most: a long one is cut and gets a checksum.

    Args:
        name: of a file.
        before: what is put there.
        behind: likewise.
        room: bytes that are left free.
    """
    raw, space = os.fsencode(name), LONGEST - len(before) - len(behind) - room
    if len(raw) > space:
        digest = hashlib.blake2b(raw, digest_size=6).hexdigest()
        name = f"{raw[: space - len(digest) - 1].decode(errors='ignore')}~{digest}"
    return f"{before}{name}{behind}"


@contextmanager
def workspace(folder: Path, name: str) -> Iterator[Path]:
    """A new folder in a folder (made if need be), for an output of that name; removed with all in it at the end.

    What killed processes left for the same name is removed first, or put in its place, see `sweep`.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder, name)
    place, descriptor = _made(folder, name)
    try:
        yield place
    finally:
        remove(place)
        with suppress(OSError):  # a forked child may keep the folder open
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def sweep(folder: Path, name: str) -> None:
    """Remove what killed processes of this user left for an output of that name.

    If one was killed after the old output had gone and before the new one had its name, the new one gets it now. A
    folder whose process lives, on whatever machine, is locked and left alone; so is every one where the file system
    knows no locks.
    """
    start = fitting(name, ".", room=ROOM)
    try:
        found = [
            Path(entry.path)
            for entry in os.scandir(folder)
            if entry.name.startswith(start) and ENDING.fullmatch(entry.name[len(start) :])
        ]
    except OSError:
        return
    for place in found:
        with suppress(OSError):
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid() and try_lock(descriptor):
                    if (place / OLD).exists() and not os.path.lexists(folder / name):
                        (place / (NEW if (place / NEW).exists() else OLD)).rename(folder / name)
                    remove(place)
            finally:
                os.close(descriptor)


@contextmanager
def scratch() -> Iterator[Path]:
    """A new workspace in the folder for temporary files.

    Raises:
        OSError: it cannot be made.
    """
    with workspace(Path(tempfile.gettempdir()), f"mlaas4hep-{os.getuid()}") as folder:
        yield folder


@contextmanager
def temporary_files() -> Iterator[None]:
    """Let all temporary files of this process, also those of libraries, be made in a workspace of their own.

    Raises:
        OSError: it cannot be made.
    """
    before = tempfile.tempdir
    with scratch() as folder:
        tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there and as far as it can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _made(folder: Path, name: str) -> tuple[Path, int]:
    """A new folder and the descriptor that locks it."""
    while True:
        place = folder / fitting(name, ".", f".{secrets.token_hex(4)}.partial")
        place.mkdir(mode=0o700)
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        with suppress(OSError):  # no locks here: nobody sweeps then
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if place.stat().st_ino == os.fstat(descriptor).st_ino:
                return place, descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # a sweep came between
