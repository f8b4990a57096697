"""Opening ROOT files: every way this can fail becomes one clear line."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from mlaas4hep.errors import BranchReadError, FileReadError, FrameworkMissingError
from mlaas4hep.errors.findings import few
from mlaas4hep.errors.reading import CorruptFileError, NoRangeRequestsError
from mlaas4hep.errors.text import first_line
from mlaas4hep.streaming.readers.files import check_local
from mlaas4hep.streaming.readers.open_local import LocalBytes, too_many_open
from mlaas4hep.streaming.remote.errors import read_error
from mlaas4hep.streaming.remote.location import is_remote, local_path
from mlaas4hep.streaming.remote.schemes import scheme_of

__all__ = ["damage", "is_lost", "open_directory", "unreadable"]

_MAGIC = b"root"
_LARGE = 1_000_000
_SMALLEST_HEADER = 64


def open_directory(path: str) -> Any:
    """Return the top folder of a ROOT file, an uproot ``ReadOnlyDirectory``.

    Raises:
        FileReadError: no such file, a folder, no ROOT file, truncated, not readable, or out of reach.
        FrameworkMissingError: the client for this kind of URL is not installed.
    """
    import uproot

    options: dict[str, Any] = {"array_cache": None, "object_cache": None}
    target = path
    if is_remote(path):
        from mlaas4hep.streaming.readers.root.remote import RemoteSource

        scheme_of(path).prepare()
        options |= {"handler": RemoteSource, "connection": RemoteSource.connect(path)}
    else:
        local = local_path(path)
        _check_header(local, path)
        target = str(local)
        from mlaas4hep.streaming.readers.root.local import LocalSource

        options |= {"handler": LocalSource}
    try:
        directory = uproot.open({str(target): None}, **options)
        if is_remote(path):
            _check_remote(directory, path)
    except FileReadError:
        raise
    except ImportError as error:
        what = f"reading {path.split(':', 1)[0]}:// needs another package: {first_line(error)}"
        raise FrameworkMissingError(what, where=path) from error
    except Exception as error:
        raise damage(path, error) from error
    return directory


def damage(path: str, error: BaseException, what: str = "cannot be read") -> FileReadError:
    """A failure of uproot below it (wrong checksum, short read, unknown structure, lost connection) in one line."""
    if isinstance(error, FileReadError):
        return error
    if is_remote(path) and isinstance(error, OSError | HTTPException):
        return read_error(path, error)
    if crowded := too_many_open(error):
        return FileReadError(crowded, where=path, hint="raise the limit, or name fewer files at a time")
    text = first_line(error)
    if "Invalid hostid" in text:
        return FileReadError("the URL has no host", where=path, hint="write root://host//path")
    if "expected Chunk of length" in text:
        text = "the data ends too early: truncated or damaged"
    elif "not a ROOT file" in text:
        return CorruptFileError("is not a ROOT file", where=path, hint="it does not begin with the word root")
    elif "checksum" in text or isinstance(error, AssertionError):
        text = "a checksum is wrong: damaged"
    elif type(error).__name__ not in {"OSError", "ValueError"}:
        text = f"{text} ({type(error).__name__})"
    return CorruptFileError(f"{what}: {text}", where=path)


def is_lost(error: BaseException, path: str) -> bool:
    """Return true for a failure of reading that the other branches of a remote file would only meet again."""
    return isinstance(error, FileReadError | OSError) and is_remote(path)


def unreadable(place: str, failed: Mapping[str, BaseException], entries: str) -> FileReadError:
    """Return a failure in some branches, with how to do without them; a lost connection is nobody's fault.

    Args:
        place: file and tree.
        failed: by branch, what the library below says; at least one.
        entries: which of them, in words.
    """
    name, error = next(iter(failed.items()))
    if isinstance(error, FileReadError):
        return error
    if is_remote(place) and isinstance(error, OSError | HTTPException):
        return read_error(place, error)
    what = damage(place, error, f"entries {entries} of branch {name} cannot be read").what
    if len(failed) > 1:
        what += f" (nor can {few(list(failed)[1:])})"
    problems = {other: damage(place, e, f"entries {entries} cannot be read").what for other, e in failed.items()}
    return BranchReadError(what, problems, where=place, hint=_without(failed))


def _without(branches: Iterable[str]) -> str:
    """How to do without branches."""
    return f"copy the file again, or leave out what is damaged: features.exclude: [{', '.join(branches)}]"


def _check_header(local: Path, path: str) -> None:
    size = check_local(local, path)
    try:
        with LocalBytes(str(local)) as file:
            header = file.read(_SMALLEST_HEADER) or b""
    except OSError as error:
        raise damage(path, error) from error
    if not header.startswith(_MAGIC[: len(header)]):
        raise CorruptFileError("is not a ROOT file", where=path, hint="it does not begin with the word root")
    if len(header) < _SMALLEST_HEADER:
        raise CorruptFileError(f"is truncated: only {size} bytes are there", where=path)
    version = struct.unpack_from(">i", header, 4)[0]
    end = struct.unpack_from(">q" if version >= _LARGE else ">i", header, 12)[0]
    if size < end:
        raise CorruptFileError(f"is truncated: {size} of {end} bytes are there", where=path)


def _check_remote(directory: Any, path: str) -> None:
    """Is the last byte there? A server may hold a file whose copy was cut off."""
    end = int(directory.file.fEND)
    source = directory.file.source
    try:
        last = len(source.chunk(end - 1, end).raw_data)
    except OSError as error:
        if "expected Chunk" not in str(error):
            raise
        last = 0
    if last == 0:
        raise CorruptFileError(f"is truncated: not all of its {end} bytes are there", where=path)
    if source.chunk(4, 8).raw_data.tobytes() == _MAGIC:
        raise NoRangeRequestsError(where=path)
