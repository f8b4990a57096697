"""Folders in which logins and batch systems leave the credentials of a user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["USUAL", "exposed", "is_own_file", "temporary_folders"]

USUAL = Path("/tmp")
"""Where ``voms-proxy-init`` and ``htgettoken`` write, whatever TMPDIR says."""


def temporary_folders() -> Iterator[Path]:
    """Give the folders for temporary files: that of the session, then the usual one."""
    named = os.environ.get("TMPDIR")
    yield from dict.fromkeys([*([Path(named)] if named else []), USUAL])


def is_own_file(path: Path) -> bool:
    """Return whether there is a file of this user; one that someone else put there does not count."""
    try:
        return path.is_file() and path.stat().st_uid == os.getuid()
    except OSError:
        return False


def exposed(path: Path) -> str | None:
    """Return what is wrong with a file of a secret that others may read; None for one that only its owner may."""
    try:
        others = path.stat().st_mode & 0o077
    except OSError:
        return None
    return f"others may read it, so XRootD does not use it; run chmod 600 {path}" if others else None
