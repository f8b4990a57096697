"""What the file system below the cache is like: local or not, how full, whether it can reserve space."""

from __future__ import annotations

import ctypes
import errno
import os
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["boot", "is_network", "reserve", "spare"]

_NETWORK = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs"),
    *("panfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs"),
}
_MOUNTS = Path("/proc/self/mountinfo")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_KEPT_SHARE = 20
_KEPT_BYTES = 1 << 30


def is_network(folder: Path) -> bool:
    """Return whether other machines may change the files there, as far as the system tells."""
    try:
        real, mounts = folder.resolve(), _MOUNTS.read_text("utf-8", errors="surrogateescape")
    except OSError:
        return False
    kind, length = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), before.split(" ")[4]))
        if real.is_relative_to(point) and len(point.parts) >= length:  # a later mount hides an earlier one
            kind, length = after.split(" ")[0], len(point.parts)
    return kind in _NETWORK or kind.startswith("fuse.")


def spare(folder: Path) -> int:
    """Bytes that may be written so that a twentieth of the file system, at most 1 GiB, is left; negative: too full.

    Raises:
        OSError: the system refuses.
    """
    found = os.statvfs(folder)
    kept = min(found.f_blocks * found.f_frsize // _KEPT_SHARE, _KEPT_BYTES)
    return found.f_bavail * found.f_frsize - kept


def reserve(descriptor: int, size: int) -> None:
    """Give an open file its size, with the space for it where the file system can reserve space.

    `os.posix_fallocate` would write to each block where it cannot, which takes as long as writing all.

    Raises:
        OSError: the disk is full, or the file would be larger than allowed.
    """
    fallocate = _fallocate()
    while size and fallocate is not None and fallocate(descriptor, 0, 0, size):
        code = ctypes.get_errno()
        if code in {errno.EOPNOTSUPP, errno.ENOSYS}:
            break
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code))
    os.ftruncate(descriptor, size)


def boot() -> str:
    """Eight hex digits for the running kernel: processes with the same see each other's locks on any file system."""
    with suppress(OSError):
        return _BOOT.read_text("ascii")[:8]
    return "0" * 8


@cache
def _fallocate() -> Any:
    """The function of the C library, or None."""
    try:
        function = ctypes.CDLL(None, use_errno=True).fallocate
    except (AttributeError, OSError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
    function.restype = ctypes.c_int
    return function
