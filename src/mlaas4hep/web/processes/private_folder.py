"""Folders of this user alone for what a running server needs; those of servers that were killed are removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlaas4hep.atomic.owners import is_dead, work_name

__all__ = ["private_folder"]


@contextlib.contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """Make a folder in the system's folder for temporary files, and remove it at the end.

    Args:
        prefix: begins its name; what killed processes of this user left under the same prefix is removed first.
    """
    parent = Path(tempfile.gettempdir())
    for other in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            facts = other.lstat()
            own = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
            if own and is_dead(other.name.removeprefix(prefix)):
                shutil.rmtree(other, ignore_errors=True)
    folder = parent / f"{prefix}{work_name()}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
