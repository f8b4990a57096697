"""Writing beside and renaming: an output is there whole, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
}


def output_error(error: OSError, path: Path | str) -> OutputError:
    """What a failure to write means to a user."""
    what, hint = REASONS.get(error.errno or 0, (f"cannot be written ({error.strerror or error})", None))
    return OutputError(what, where=str(path), hint=hint)


def check_place(path: Path, *, file: bool = False) -> None:
    """See that a file or folder could be made there.

    Args:
        path: of the output.
        file: it is to be a file.

    Raises:
        OutputError: the nearest folder that exists is not writable or no folder, or a folder is where a file is to be.
    """
    try:
        if file and path.is_dir():
            raise output_error(OSError(errno.EISDIR, ""), path)
        parent = next(folder for folder in path.absolute().parents if folder.exists())
        writable = os.access(parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
    except OSError as error:
        raise output_error(error, path) from error
    if not parent.is_dir():
        raise output_error(OSError(errno.ENOTDIR, ""), path)
    if not writable:
        raise output_error(OSError(errno.EACCES, ""), path)


@contextmanager
def beside(destination: Path, *, told: Path | None = None) -> Iterator[Path]:
    """A free name in the destination's folder (made if need be), and removed at the end if something is there still.

    Args:
        destination: the output.
        told: the path that an error names; default: the destination.

    Raises:
        OutputError: instead of any OSError inside.
    """
    if not destination.name:
        what = "this is no name for an output"
        raise OutputError(what, where=str(destination))
    partial = destination.with_name(f".{destination.name[:100]}.{secrets.token_hex(4)}.partial")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        yield partial
    except OSError as error:
        raise output_error(error, told or destination) from error
    finally:
        remove(partial)


def replace(partial: Path, destination: Path) -> None:
    """Rename to the destination. What is there already goes only when the new one has taken its place.

    A folder replaces a folder, a file never does.

    Raises:
        OSError: the system refuses, or a file would replace a folder.
    """
    if not destination.is_dir() or not partial.is_dir() or destination.is_symlink():
        partial.replace(destination)
    else:
        aside = destination.with_name(f".{destination.name[:100]}.{secrets.token_hex(4)}.old")
        destination.rename(aside)
        try:
            partial.rename(destination)
        except BaseException:
            aside.rename(destination)
            raise
        remove(aside)
    flush_folder(destination.parent)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there and as far as it can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


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
