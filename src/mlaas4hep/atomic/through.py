"""Where an output goes: links are followed, and pipes, devices and open files are written to, never replaced."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import BinaryIO

__all__ = ["copy_through", "final", "is_open_end"]

MOST_LINKS = 40


def final(path: Path) -> Path:
    """Return the absolute path that a name leads to, after all links: what is replaced, while the links stay."""
    return Path(os.path.realpath(path))


def is_open_end(path: Path) -> bool:
    """True for what bytes can only be written to: a pipe, a device, an open file of a process (``/dev/stdout``)."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _open_file(path) is not None


def copy_through(source: Path, path: Path) -> None:
    """Write the content of a file to a pipe, a device or an open file.

    Raises:
        OSError: nobody reads, or the system refuses.
    """
    with source.open("rb") as file, _opened(path) as out:
        shutil.copyfileobj(file, out)


def _opened(path: Path) -> BinaryIO:
    link = _open_file(path)
    if link is not None and link.parent == Path(f"/proc/{os.getpid()}/fd"):
        sys.stdout.flush()
        return os.fdopen(os.dup(int(link.name)), "wb")  # at its present place, as what follows
    return path.open("wb")


def _open_file(path: Path) -> Path | None:
    """The link in ``/proc`` that stands for an open file, if the path leads through one."""
    step = Path(os.path.abspath(path))  # noqa: PTH100 - links are followed one by one
    for _ in range(MOST_LINKS):
        step = Path(os.path.realpath(step.parent)) / step.name
        if not step.is_symlink():
            return None
        if step.is_relative_to("/proc"):
            return step
        step = step.parent / step.readlink()
    return None
