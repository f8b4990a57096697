"""Files as bytes: local, compressed or remote; and what identifies their content."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
from pathlib import Path
from typing import IO, Any

from mlaas4hep.errors import FileReadError, FrameworkMissingError
from mlaas4hep.streaming.location import is_remote, local_path
from mlaas4hep.streaming.readers.common import one_line
from mlaas4hep.streaming.xrootd import configure, is_xrootd, read_error

__all__ = ["check_local", "digest", "open_bytes", "open_raw"]

_END = 1 << 20
_DECOMPRESSORS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def check_local(local: Path, path: str) -> int:
    """Size in bytes of a local file that can be opened and is not empty.

    Raises:
        FileReadError: it does not exist, is a folder, may not be read, or is empty.
    """
    try:
        if not local.exists():
            raise FileReadError("no such file", where=path, hint=_nearest(local))
        if local.is_dir():
            raise FileReadError("is a folder, not a file", where=path, hint="name the files in it")
        with local.open("rb"):
            size = local.stat().st_size
    except PermissionError as error:
        raise FileReadError(
            "permission denied", where=path, hint="check the rights of the file and its folder"
        ) from error
    except OSError as error:
        raise FileReadError(f"cannot be read: {error.strerror}", where=path) from error
    if size == 0:
        raise FileReadError("is empty (0 bytes)", where=path, hint="copy the file again")
    return size


def open_raw(path: str) -> IO[bytes]:
    """The bytes of a local or remote file as they are stored.

    Raises:
        FileReadError: it cannot be opened.
        FrameworkMissingError: the client for this kind of URL is not installed.
    """
    if not is_remote(path):
        local = local_path(path)
        check_local(local, path)
        return local.open("rb")
    if is_xrootd(path):
        configure()
    import fsspec

    try:
        file: IO[bytes] = fsspec.open(path, "rb").open()
    except ImportError as error:
        raise FrameworkMissingError(
            f"reading {path.split(':', 1)[0]}:// needs another package: {one_line(error)}", where=path
        ) from error
    except Exception as error:
        raise read_error(path, error) from error
    return file


def open_bytes(path: str) -> IO[bytes]:
    """The bytes of a file, decompressed if its suffix is ``.gz``, ``.bz2`` or ``.xz``.

    Raises:
        FileReadError: it cannot be opened.
    """
    raw = open_raw(path)
    decompress = _DECOMPRESSORS.get(Path(path).suffix.lower())
    return raw if decompress is None else _Decompressed(decompress(raw), raw)


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


class _Decompressed(io.BufferedReader):
    """A decompressing file that closes the file below it, too."""

    def __init__(self, inner: Any, below: IO[bytes]) -> None:
        super().__init__(inner)
        self._below = below

    def close(self) -> None:
        super().close()
        self._below.close()


def _nearest(local: Path) -> str:
    parent = next((folder for folder in local.parents if folder.is_dir()), None)
    return f"the folder {parent} is there" if parent is not None and parent != local.parent else "check the path"
