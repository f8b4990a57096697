"""Files as bytes: local, compressed or remote; and what identifies their content."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from mlaas4hep.errors import FileReadError, FrameworkMissingError
from mlaas4hep.errors.reading import CorruptFileError, FolderError, MissingFileError, PermissionDeniedError
from mlaas4hep.errors.text import first_line
from mlaas4hep.formats import COMPRESSIONS, compression_of
from mlaas4hep.streaming.readers.open_local import LocalBytes, LocalFile, too_many_open
from mlaas4hep.streaming.remote.bytes import RemoteBytes
from mlaas4hep.streaming.remote.location import is_remote, local_path, name_of
from mlaas4hep.streaming.remote.schemes import scheme_of

__all__ = ["check_local", "digest", "open_bytes", "open_raw"]

_END = 1 << 20

_REMOTE_BUFFER = 2 << 20
"""Bytes that are asked for at once at least."""


def _zstd(raw: IO[bytes]) -> Any:
    import pyarrow as pa

    return _Sequential(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))


_DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".zst": _zstd,
    ".xz": lzma.open,
}
assert tuple(_DECOMPRESSORS) == COMPRESSIONS


def check_local(local: Path, path: str) -> int:
    """Return the size in bytes of a local file that can be opened and is not empty.

    Raises:
        FileReadError: it does not exist, is a folder, may not be read, or is empty.
    """
    try:
        if not local.exists():
            raise MissingFileError(where=path, hint=_nearest(local))
        if local.is_dir():
            raise FolderError(where=path)
        file = LocalFile(str(local))
        file.close()
    except PermissionError as error:
        raise PermissionDeniedError(where=path) from error
    except OSError as error:
        raise FileReadError(too_many_open(error) or f"cannot be read: {error.strerror}", where=path) from error
    if file.size == 0:
        raise CorruptFileError("is empty (0 bytes)", where=path)
    return file.size


def open_raw(path: str) -> IO[bytes]:
    """Return the bytes of a local or remote file as they are stored.

    Raises:
        FileReadError: it cannot be opened.
        FrameworkMissingError: the client for this kind of URL is not installed.
    """
    if not is_remote(path):
        local = local_path(path)
        check_local(local, path)
        return io.BufferedReader(LocalBytes(str(local)))
    scheme_of(path).prepare()
    try:
        return io.BufferedReader(RemoteBytes(path), _REMOTE_BUFFER)
    except ImportError as error:
        raise FrameworkMissingError(
            f"reading {path.split(':', 1)[0]}:// needs another package: {first_line(error)}", where=path
        ) from error


def open_bytes(path: str) -> io.BufferedReader:
    """Return the bytes of a file, decompressed if its name ends in one of `COMPRESSIONS`.

    Raises:
        FileReadError: it cannot be opened.
    """
    raw = open_raw(path)
    compression = compression_of(name_of(path))
    return _Stored(_DECOMPRESSORS[compression](raw) if compression else raw, raw)


def digest(path: str) -> str:
    """Identifies a file's content: BLAKE2b, 128 bits, of its size and its first and last MiB, as hexadecimal digits."""
    with open_raw(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        result = hashlib.blake2b(f"{size}:".encode(), digest_size=16)
        result.update(file.read(_END))
        file.seek(max(0, size - _END))
        result.update(file.read(_END))
    return result.hexdigest()


class _Sequential(io.RawIOBase):
    """Bytes of a stream that can be read on, but not gone back in; it knows how many it gave."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._given += len(data)
        return len(data)

    def tell(self) -> int:
        return self._given


class _Stored(io.BufferedReader):
    """A file, decompressed or not, that closes the file below it, too."""

    def __init__(self, inner: Any, below: IO[bytes]) -> None:
        super().__init__(inner)
        self._below = below

    def close(self) -> None:
        super().close()
        self._below.close()


def _nearest(local: Path) -> str:
    parent = next((folder for folder in local.parents if folder.is_dir()), None)
    return f"the folder {parent} is there" if parent is not None and parent != local.parent else "check the path"
