"""Writing beside and renaming: an output is there whole, or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlaas4hep.atomic.exchange import exchange
from mlaas4hep.atomic.scratch import LONGEST, NEW, OLD, remove, scratch, workspace
from mlaas4hep.atomic.through import copy_through, final, is_open_end
from mlaas4hep.errors import OutputError

__all__ = ["beside", "check_place", "flush_file", "flush_folder", "output_error", "remove", "replace"]

REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space or choose another place"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or choose another place"),
    errno.EACCES: ("no permission to write here", "choose another place"),
    errno.EPERM: ("no permission to write here", "choose another place"),
    errno.EROFS: ("the file system is read-only", "choose another place"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another place"),
    errno.EEXIST: ("a part of the path is a file, not a folder", "choose another place"),
    errno.EISDIR: ("there is a folder of this name", "choose another name"),
    errno.ENAMETOOLONG: ("the name is longer than the file system takes", "choose a shorter name"),
    errno.ELOOP: ("its links form a loop", "choose another name"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n)"),
    errno.ENFILE: ("the system has too many files open", "try again later"),
    errno.EPIPE: ("the reader of this pipe has closed it", None),
}


def output_error(error: OSError | ValueError, path: Path | str) -> OutputError:
    """Return what a failure to write means to a user; a ValueError is that of a name that cannot be one."""
    number, text = (error.errno, error.strerror) if isinstance(error, OSError) else (0, None)
    what, hint = REASONS.get(number or 0, (f"cannot be written ({text or error})", None))
    return OutputError(what, where=str(path), hint=hint)


def check_place(path: Path, *, file: bool = False) -> None:
    """See that a file or folder could be made there.

    Args:
        path: of the output.
        file: it is to be a file.

    Raises:
        OutputError: the nearest folder that exists is not writable or no folder, or a folder is where a file is to be;
            a pipe or device where a folder is to be; what is there belongs to another user and may not be replaced.
    """
    try:
        if file and path.is_dir():
            raise output_error(OSError(errno.EISDIR, ""), path)
        if is_open_end(path):
            if not file:
                raise OutputError("is a pipe or a device, not a folder", where=str(path), hint="choose another name")
            if not _may(path, os.W_OK):
                raise output_error(OSError(errno.EACCES, ""), path)
            return
        place = final(path)
        if not place.name:
            raise OutputError("this is not a name for an output", where=str(path))
        parent = next(folder for folder in place.parents if folder.exists())
        writable = _may(parent, os.W_OK | os.X_OK) and not _kept_by_another(place, parent)
        long = any(len(os.fsencode(part)) > LONGEST for part in place.parts)
    except (OSError, ValueError) as error:
        raise output_error(error, path) from error
    if long:
        raise output_error(OSError(errno.ENAMETOOLONG, ""), path)
    if not parent.is_dir():
        raise output_error(OSError(errno.ENOTDIR, ""), path)
    if not writable:
        raise output_error(OSError(errno.EACCES, ""), path)


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _kept_by_another(place: Path, parent: Path) -> bool:
    """In a folder such as /tmp only its owner and that of a file may rename the file."""
    if not os.path.lexists(place):
        return False
    folder, there, user = parent.stat(), place.lstat(), os.geteuid()
    return bool(folder.st_mode & stat.S_ISVTX) and user not in {0, folder.st_uid, there.st_uid}


@contextmanager
def beside(destination: Path, *, told: Path | None = None) -> Iterator[Path]:
    """A free name in a folder of its own on the destination's disk, which is removed at the end.

    Args:
        destination: the output; a link is followed.
        told: the path that an error names; default: the destination.

    Raises:
        OutputError: instead of any OSError inside.
    """
    place = final(destination)
    if not place.name:
        what = "this is not a name for an output"
        raise OutputError(what, where=str(destination))
    try:
        with scratch() if is_open_end(destination) else workspace(place.parent, place.name) as folder:
            yield folder / NEW
    except OSError as error:
        raise output_error(error, told or destination) from error


def replace(partial: Path, destination: Path) -> None:
    """Let what was made under a name of `beside` take its place.

    Both change places at once where there was something, so that a kill at any time leaves the old or the new. Where
    the file system cannot do that with folders, the old one is put aside for a moment; after a kill in this moment
    `sweep` puts the new one in its place. Links stay and what they lead to is replaced; pipes and devices are written
    to. A folder replaces a folder, a file never does.

    Raises:
        OSError: the system refuses, or a file would replace a folder.
    """
    if is_open_end(destination):
        copy_through(partial, destination)
        return
    destination = final(destination)
    if not destination.is_dir() or not partial.is_dir():
        partial.replace(destination)
    elif not exchange(partial, destination):
        aside = partial.with_name(OLD)
        destination.rename(aside)
        try:
            partial.rename(destination)
        except BaseException:
            aside.rename(destination)
            raise
    flush_folder(destination.parent)


def flush_file(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Wait until a folder's names are on the disk, where the file system can do that."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
