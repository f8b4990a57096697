"""Files that are always whole and always the same: written beside and renamed, zip archives without dates."""

from __future__ import annotations

import contextlib
import io
import resource
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from mlaas4hep.atomic.files import output_error
from mlaas4hep.errors import OutputError
from mlaas4hep.training.events.memory import size_text

__all__ = ["check_room", "fixed_zip", "rewrite_zip", "unpack", "write_beside"]

_DATE = (1980, 1, 1, 0, 0, 0)


def write_beside(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part.

    Raises:
        OutputError: no room, no permission; names the file. Nothing half-written stays.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise output_error(error, path) from error


def check_room(folder: Path, size: int, what: str) -> None:
    """Check that a folder for temporary files has room.

    Args:
        folder: where they go.
        size: bytes that they may take.
        what: needs them, for the message.

    Raises:
        OutputError: the disk is too full, or files may not grow to this size.
    """
    largest = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    free = shutil.disk_usage(folder).free
    if largest not in (resource.RLIM_INFINITY, -1) and largest < size:
        reason = f"{size_text(largest)} are allowed (ulimit -f)"
    elif free < size:
        reason = f"{size_text(free)} are free"
    else:
        return
    hint = "set TMPDIR to a folder with more room, or raise memory_limit"
    raise OutputError(f"{what} may take {size_text(size)} on disk, and {reason}", where=str(folder), hint=hint)


def fixed_zip(members: Mapping[str, bytes], *, compress: bool = False) -> bytes:
    """Return a zip archive whose bytes depend on names and content only."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = method
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def rewrite_zip(content: bytes, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> bytes:
    """Return the same archive with fixed dates and changed members, in the order ``change`` returns them."""
    return fixed_zip(change(unpack(content)))


def unpack(content: bytes) -> dict[str, bytes]:
    """Return the members of a zip archive by name, e.g. what `fixed_zip` was given."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
