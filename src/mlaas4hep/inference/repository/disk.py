"""Operations on files of the repository that are whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlaas4hep.atomic.files import flush_file, flush_folder, remove
from mlaas4hep.atomic.owners import work_name
from mlaas4hep.errors.serving import ModelConflictError, ServingError

__all__ = ["disk_error", "disk_errors", "flush_tree", "link_tree", "locked", "read_object", "write_object"]

LOCK = ".lock"
LOCK_SECONDS = 10.0


def disk_error(error: OSError) -> ServingError:
    """Return what a failure of the disk means to a client; paths of the server are not shown."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    reason = "the disk is full" if full else (error.strerror or type(error).__name__)
    return ServingError(f"the repository cannot be changed ({reason})")


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise ServingError, see `disk_error`, for an OSError inside."""
    try:
        yield
    except OSError as error:
        raise disk_error(error) from error


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the repository's lock: one change at a time among the processes that share the folder.

    Where the file system has no locks, nothing is held; renames that never replace keep the folder whole all the same.

    Raises:
        ModelConflictError: another process has held it for too long.
    """
    descriptor = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ModelConflictError("the repository is being changed by another process") from None
                time.sleep(0.002)
                continue
            except OSError:
                pass
            break
        yield
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Wait until all files and names of a folder are on the disk."""
    for path in folder.rglob("*"):
        if path.is_dir():
            flush_folder(path)
        else:
            flush_file(path)
    flush_folder(folder)


def write_object(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object beside and rename it."""
    partial = path.with_name(work_name())
    try:
        partial.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        flush_file(partial)
        partial.replace(path)
        flush_folder(path.parent)
    finally:
        remove(partial)


def read_object(path: Path, limit: int = 1 << 24) -> dict[str, Any]:
    """Return the JSON object in a file; empty if there is no such file.

    Raises:
        ValueError: it is too large, no JSON, or no object.
    """
    try:
        if path.stat().st_size > limit:
            raise ValueError(f"{path.name} is larger than {limit} bytes")
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return data


def link_tree(source: Path, target: Path, leave: frozenset[str]) -> None:
    """Make a second set of names for the files of a folder (hard links, copies where there are none).

    Args:
        source: the folder.
        target: is made.
        leave: names at the top that are left out; hidden names are too.
    """
    target.mkdir()
    for entry in sorted(source.iterdir()):
        if entry.name in leave or entry.name.startswith("."):
            continue
        if entry.is_dir():
            link_tree(entry, target / entry.name, frozenset())
            continue
        with suppress(OSError):
            os.link(entry, target / entry.name, follow_symlinks=True)
            continue
        shutil.copyfile(entry, target / entry.name)
