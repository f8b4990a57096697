"""Names of work in progress, which say whose it is, so that what a killed process left behind can be removed."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import time
from functools import cache
from pathlib import Path

from mlaas4hep.atomic.files import remove

__all__ = ["PREFIX", "clean", "is_dead", "is_work", "work_name"]

PREFIX = ".work-"
PATTERN = re.compile(r"\.work-(?P<host>[^@]*)@(?P<pid>\d+)@(?P<start>\d+)@[0-9a-f]+")
FOREIGN_AGE = 24 * 3600.0
"""Seconds after which the work of another host counts as left behind: nothing here can see its processes."""


def work_name() -> str:
    """Return a new hidden name: a digest of the host, the process, its start time, and a random part."""
    return f"{PREFIX}{_host()}@{os.getpid()}@{_start_of(os.getpid())}@{secrets.token_hex(6)}"


def is_work(name: str) -> bool:
    """Return whether `work_name` made the name."""
    return PATTERN.fullmatch(name) is not None


def is_dead(name: str) -> bool:
    """Return whether the process that made the name with `work_name`, on this host, has ended."""
    found = PATTERN.fullmatch(name)
    return found is not None and found["host"] == _host() and _start_of(int(found["pid"])) != int(found["start"])


def clean(folder: Path, *, now: float | None = None) -> list[str]:
    """Remove what dead processes left in a folder, and return the names removed.

    Work of a live process of this host, and of other hosts if it is younger than a day, stays.
    """
    removed: list[str] = []
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(PREFIX)]
    except OSError:
        return removed
    for name in names:
        if _left_behind(folder / name, time.time() if now is None else now):
            remove(folder / name)
            removed.append(name)
    return removed


def _left_behind(path: Path, now: float) -> bool:
    found = PATTERN.fullmatch(path.name)
    if found is None or found["host"] == _host():
        return is_dead(path.name)
    try:
        return now - path.stat(follow_symlinks=False).st_mtime > FOREIGN_AGE
    except OSError:
        return False


@cache
def _host() -> str:
    """Return a digest of the host's name and, where there is one, of its boot, as many hosts are called localhost."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        boot = ""
    return hashlib.blake2b(f"{socket.gethostname()} {boot}".encode(), digest_size=6).hexdigest()


def _start_of(pid: int) -> int:
    """Return the start of a process in clock ticks since the boot; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in {"Z", "X"} else int(fields[19])
