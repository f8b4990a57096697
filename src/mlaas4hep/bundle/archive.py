"""Packing a folder into a tar.gz that depends on its content alone, and unpacking one that nobody has checked."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from mlaas4hep.errors import BundleError

__all__ = ["MAX_BYTES", "MAX_FILES", "is_archive_name", "pack", "read_member", "unpack"]

MAX_FILES = 1000
MAX_BYTES = 4 * 1024**3
MAX_DEPTH = 16
BLOCK = 1 << 18
MAX_HEADER = 1 << 20
DAMAGE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError, ValueError)


def is_archive_name(path: Path) -> bool:
    """Return true for names ending in .tar.gz or .tgz."""
    return path.name.lower().endswith((".tar.gz", ".tgz"))


def pack(folder: Path, archive: Path, top: str, mtime: int) -> None:
    """Write all files of a folder into a tar.gz.

    Args:
        folder: what is packed; files only.
        archive: the file to write.
        top: name of the folder inside the archive.
        mtime: seconds since 1970, the time of every entry.
    """
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=mtime, compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = tarfile.TarInfo(f"{top}/{path.relative_to(folder).as_posix()}")
            info.size, info.mtime, info.mode = path.stat().st_size, mtime, 0o644
            with path.open("rb") as file:
                tar.addfile(info, file)


def unpack(archive: Path, folder: Path, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> Path:
    """Unpack a tar.gz into an empty folder. Only plain files and folders with plain relative names are accepted.

    Args:
        archive: the file.
        folder: exists and is empty.
        max_files: limit on the number of entries.
        max_bytes: limit on the sum of the unpacked sizes.

    Returns:
        The folder that holds ``manifest.json``: `folder`, or the only folder in it.

    Raises:
        BundleError: it is not a tar.gz, is damaged, holds links, devices, names that lead outside, or too much.
    """
    where, left, number = str(archive), max_bytes, 0
    try:
        with archive.open("rb") as raw, gzip.GzipFile(fileobj=raw) as zipped:
            with tarfile.open(fileobj=_Guard(zipped, max_bytes, max_files), mode="r:") as tar:
                for entry in tar:
                    number += 1
                    left -= entry.size
                    if number > max_files:
                        what = f"the archive holds more than {max_files} entries"
                        raise BundleError(what, where=where)
                    if left < 0:
                        what = f"the archive holds more than {max_bytes} bytes"
                        raise BundleError(what, where=where)
                    _write(tar, entry, folder, where)
            while zipped.read(BLOCK):  # the checksum of the gzip stream stands at its end
                pass
    except DAMAGE as error:
        what = f"not a tar.gz archive, or damaged ({error})"
        raise BundleError(what, where=where) from error
    except OSError as error:
        what = f"cannot be unpacked ({error.strerror or error})"
        raise BundleError(what, where=where) from error
    inside = list(folder.iterdir())
    if not (folder / "manifest.json").exists() and len(inside) == 1 and inside[0].is_dir():
        return inside[0]
    return folder


def read_member(archive: Path, name: str, limit: int = 1 << 24) -> bytes | None:
    """Return the content of the entry `name` at the top of an archive or in its top folder; None if it is not there."""
    try:
        with gzip.open(archive) as zipped:
            guard = _Guard(zipped, MAX_BYTES, MAX_FILES)
            with tarfile.open(fileobj=guard, mode="r:") as tar:
                for entry in tar:
                    path = PurePosixPath(entry.name)
                    if path.name == name and len(path.parts) <= 2 and entry.isreg() and entry.size <= limit:
                        file = tar.extractfile(entry)
                        return file.read() if file else None
    except (*DAMAGE, OSError, BundleError):
        return None
    return None


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, where: str) -> None:
    """One entry, after its name and type have been checked."""
    name = PurePosixPath(entry.name)
    shown = ascii(entry.name[:200])
    unsafe = name.is_absolute() or ".." in name.parts or "\\" in entry.name or "\0" in entry.name
    if unsafe or len(name.parts) > MAX_DEPTH or len(entry.name) > 1000:
        what = f"the archive holds an unsafe name: {shown}"
        raise BundleError(what, where=where)
    target = folder.joinpath(*name.parts)
    if entry.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    if not entry.isreg() or entry.issparse():
        what = f"the archive holds something other than files and folders: {shown}"
        raise BundleError(what, where=where, hint="links and devices are refused")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        what = f"the archive holds {shown} twice"
        raise BundleError(what, where=where)
    source = tar.extractfile(entry)
    if source is None:
        what = f"the archive is damaged at {shown}"
        raise BundleError(what, where=where)
    with source, target.open("xb") as file:
        _copy(source, file, entry.size, where)


def _copy(source: IO[bytes], target: BinaryIO | IO[bytes], size: int, where: str) -> None:
    while size > 0:
        block = source.read(min(BLOCK, size))
        if not block:
            what = "the archive is truncated"
            raise BundleError(what, where=where)
        target.write(block)
        size -= len(block)


class _Guard(io.RawIOBase):
    """A stream that refuses huge single reads (headers that pretend to be gigabytes) and to go on without end."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, max_bytes: int, max_files: int) -> None:
        self._stream = stream
        self._end = max_bytes + 8192 * (max_files + 2)

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > MAX_HEADER or self._stream.tell() + size > self._end:
            what = "the archive is too large"
            raise BundleError(what)
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and offset > self._end:
            what = "the archive is too large"
            raise BundleError(what)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
