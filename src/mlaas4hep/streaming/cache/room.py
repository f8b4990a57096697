"""The limit of the cache: what was not used for longest goes first."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mlaas4hep.streaming.cache.filesystem import spare
from mlaas4hep.streaming.cache.folder import files

__all__ = ["NoRoom", "bytes_text", "make_room"]


class NoRoom(Exception):
    """A file does not fit; the message says why."""


def make_room(folder: Path, needed: int, limit: int) -> tuple[int, int]:
    """Remove files until another one fits.

    Only whole files are removed, never those being written. Who has mapped or opened one keeps its content: on POSIX
    file systems it lives until the last user lets go. Nothing is removed if that would not make room enough.

    Args:
        folder: of the cache.
        needed: bytes of the new file.
        limit: bytes of all files together.

    Returns:
        Number of files removed, and their bytes.

    Raises:
        NoRoom: it does not fit.
        OSError: the folder cannot be read.
    """
    if needed > limit:
        what = f"it needs {bytes_text(needed)}, the limit of the cache is {bytes_text(limit)}"
        raise NoRoom(what)
    found = files(folder)
    old = sorted((file for file in found if file.boot is None), key=lambda file: (file.used, file.path.name))
    removable = sum(file.size for file in old)
    writing = sum(file.size for file in found if file.boot is not None)
    if writing + needed > limit:
        what = f"it needs {bytes_text(needed)}, others write {bytes_text(writing)}, the limit is {bytes_text(limit)}"
        raise NoRoom(what)
    over = writing + removable + needed - limit
    short = needed - spare(folder)
    if short > removable:
        raise _full(needed)
    freed = count = 0
    for file in old:
        if freed >= max(over, short):
            break
        with suppress(FileNotFoundError):
            file.path.unlink()
            count += 1
        freed += file.size
    if count and needed > spare(folder):  # other processes keep what was removed open
        raise _full(needed)
    return count, freed


def bytes_text(count: int) -> str:
    """Return a number of bytes for people."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}" if unit != "bytes" else f"{count} bytes"
        value /= 1000
    return f"{value:.3g} TB"


def _full(needed: int) -> NoRoom:
    return NoRoom(f"it needs {bytes_text(needed)}, and the file system would be nearly full")
