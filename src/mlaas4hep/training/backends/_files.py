"""Files that are always whole and always the same: written beside and renamed, zip archives without dates."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["fixed_zip", "pack", "rewrite_zip", "unpack", "write_beside"]

_DATE = (1980, 1, 1, 0, 0, 0)


def write_beside(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    beside.replace(path)


def fixed_zip(members: Mapping[str, bytes], *, compress: bool = False) -> bytes:
    """A zip archive whose bytes depend on names and content only."""
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
    """The same archive with fixed dates and changed members, in the order ``change`` returns them."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return fixed_zip(change(members))


def pack(parts: Mapping[str, bytes]) -> bytes:
    """Several byte strings in one."""
    return fixed_zip(parts)


def unpack(content: bytes) -> dict[str, bytes]:
    """What `pack` was given."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
