"""Folders and glob patterns, local and remote, made the files they stand for, in the order of their names.

A URL that ends with a slash is a folder. In the path of a URL ``*`` and ``[...]`` are signs of a pattern, and ``**``
any number of folders; a question mark begins what a server is told besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from mlaas4hep.errors import FileReadError
from mlaas4hep.errors.reading import FolderError, MissingFileError
from mlaas4hep.formats import format_of_name
from mlaas4hep.streaming.remote.errors import read_error
from mlaas4hep.streaming.remote.location import is_remote, local_path, replicas_like, replicas_of
from mlaas4hep.streaming.remote.policy import by_health
from mlaas4hep.streaming.remote.schemes import Scheme, scheme_of

__all__ = ["expand", "stands_for_several"]

_PARTS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/]*/?)([^?#]*)(.*)", re.DOTALL)
_DEEPEST: Final = 32


def expand(location: str, format: str | None = None) -> list[str]:
    """Return the files that a location stands for; a plain file is not looked at.

    Args:
        location: local path or URL.
        format: given, all files of a folder are taken; else those whose names tell a format. Names that begin with a
            dot or an underscore are left out.

    Raises:
        FolderError: a folder holds no such file.
        MissingFileError: no file matches a pattern.
        FileReadError: a server does not say what is in a folder.
        FrameworkMissingError: the client for this kind of URL is not installed.
        CredentialError: the credentials that its server may ask for have expired.
    """
    if not is_remote(location):
        return _expand_local(location, format)
    failure: FileReadError | None = None
    for place in by_health(replicas_of(location)):
        try:
            found = _expand_at(place, format)
        except FileReadError as error:
            failure = failure or error
        else:
            return [location] if found == [place] else [replicas_like(location, place, name) for name in found]
    assert failure is not None
    raise failure


def _expand_at(location: str, format: str | None) -> list[str]:
    found = _PARTS.fullmatch(location)
    if found is None or not stands_for_several(location):
        return [location]
    host, path, query = found.groups()
    scheme = scheme_of(location)
    scheme.prepare()
    if not _is_pattern(path):
        names = _in_folder(scheme, host + path, format)
    else:
        *folders, last = path.split("/")
        names = []
        for folder in _folders(scheme, host, folders):
            entries = _entries(scheme, folder)
            names += [folder + name for name, is_folder in entries if not is_folder and _matches(name, last)]
        if not names:
            raise MissingFileError("no file matches this pattern", where=location, hint="check the path")
    return [f"{name}{query}" for name in sorted(set(names))]


def stands_for_several(location: str) -> bool:
    """Return whether a URL is that of a folder or a pattern."""
    found = _PARTS.fullmatch(location)
    return found is not None and (found[2].endswith("/") or _is_pattern(found[2]))


def _entries(scheme: Scheme, folder: str) -> list[tuple[str, bool]]:
    """Return names in a remote folder, each with whether it is a folder itself.

    Raises:
        FileReadError: the server does not say.
    """
    try:
        return list(scheme.listing(folder))
    except Exception as error:
        raise read_error(folder, error) from error


def _expand_local(location: str, format: str | None) -> list[str]:
    place = local_path(location)
    try:
        if place.is_dir():
            names = [path.name for path in sorted(place.iterdir()) if path.is_file()]
            return [str(place / name) for name in _wanted(names, location, format)]
        if place.exists() or not any(sign in location for sign in "*?["):
            return [location]
    except OSError:  # opening it says why
        return [location]
    found = sorted(match for match in glob(str(place), recursive=True) if Path(match).is_file())  # noqa: PTH207
    if not found:
        raise MissingFileError("no file matches this pattern", where=location, hint="check the path")
    return found


def _in_folder(scheme: Scheme, folder: str, format: str | None) -> list[str]:
    names = [name for name, is_folder in _entries(scheme, folder) if not is_folder]
    return [folder + name for name in _wanted(names, folder, format)]


def _wanted(names: list[str], folder: str, format: str | None) -> list[str]:
    shown = [name for name in names if not name.startswith((".", "_"))]
    found = shown if format else [name for name in shown if format_of_name(unquote(name)) is not None]
    if not found:
        what = "is a folder without a file of a known format"
        raise FolderError(what, where=folder, hint="name the files in it" if names else "check the path")
    return found


def _folders(scheme: Scheme, base: str, parts: list[str]) -> Iterator[str]:
    """The folders, each with a slash at its end, that the parts of a path stand for below ``base``."""
    plain = list(parts)
    while plain and not _is_pattern(plain[0]):
        base += f"{plain.pop(0)}/"
    if not plain:
        yield base
        return
    first, *rest = plain
    if first == "**":
        yield from _folders(scheme, base, rest)
    for name, is_folder in _entries(scheme, base):
        if not is_folder or base.count("/") > _DEEPEST:
            continue
        if first == "**":
            yield from _folders(scheme, f"{base}{name}/", plain)
        elif _matches(name, first):
            yield from _folders(scheme, f"{base}{name}/", rest)


def _is_pattern(path: str) -> bool:
    return "*" in path or "[" in path


def _matches(name: str, pattern: str) -> bool:
    hidden = name.startswith(".") and not pattern.startswith(".")
    return not hidden and (fnmatchcase(name, pattern) or fnmatchcase(unquote(name), pattern))
