"""Where the files named in a configuration are: made absolute, patterns expanded, remote names left alone."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from mlaas4hep.errors.reading import MissingFileError
from mlaas4hep.formats import names_trees

__all__ = ["absolute", "expand", "find", "home", "is_file", "is_remote", "split_tree"]


def split_tree(name: str) -> tuple[str, str | None]:
    """Split ``file.root:folder/tree`` into the file and its tree; the tree is None where none is named.

    What follows a colon is a tree if a local file, or a name that ends like ``.root``, stands before it, and no file
    has the whole as its name.

    Example:
        >>> split_tree("root://host:1094//store/a.root:signal"), split_tree("root://host:1094//store/a.root")
        (('root://host:1094//store/a.root', 'signal'), ('root://host:1094//store/a.root', None))
    """
    file, colon, tree = name.rpartition(":")
    if not (colon and file and tree) or tree.startswith("//") or is_file(name):
        return name, None
    return (file, tree) if names_trees(file) or is_file(file) else (name, None)


def is_remote(name: str, redirector: str | None = None) -> bool:
    """Return true for a URL, and for a logical name: an absolute path that is not on this machine.

    Args:
        name: as the user wrote it.
        redirector: with one given, any absolute path may be a logical name; else only ``/store/...``.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name):
        return True
    logical = name.startswith("/") if redirector else name.startswith("/store/")
    return logical and not is_file(name)


def is_file(path: Path | str) -> bool:
    """Return true if a file of this name is there; a text that cannot be a name, such as a long list, is none."""
    try:
        return home(path).is_file()
    except (OSError, ValueError):
        return False


def home(path: Path | str) -> Path:
    """Return the path with ``~`` replaced by the home folder, where there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def absolute(path: Path | str, folder: Path) -> Path:
    """Return an absolute path, relative ones taken from ``folder``; the file's own name stays, even if it is a link."""
    place = home(path)
    if place.is_absolute():
        return place
    joined = folder.absolute() / place
    return joined.parent.resolve() / joined.name if ".." in joined.parts else joined


def find(name: str, folders: Sequence[Path], redirector: str | None, mentioned: str, *, missing: bool = False) -> str:
    """The absolute path of a file or folder, or the name itself if it is remote; with the tree of it if one is named.

    Args:
        name: path, URL or logical name, with a tree or not, see `split_tree`.
        folders: where a relative path may start, the first that has the file counts.
        redirector: see `is_remote`.
        mentioned: where the user named the file, for the message.
        missing: a file that does not exist is no error yet.

    Raises:
        MissingFileError: there is no such file or folder.
    """
    file, tree = split_tree(name)
    if is_remote(file, redirector):
        return name
    for folder in folders:
        place = absolute(file, folder)
        if is_file(place):
            return f"{place}:{tree}" if tree else str(place)
        if os.path.isdir(place):  # noqa: PTH112 - which raises nothing
            return str(place)
    if missing:
        place = absolute(file, folders[0])
        return f"{place}:{tree}" if tree else str(place)
    raise MissingFileError(where=name, hint=f"given in {mentioned}")


def expand(name: str, folder: Path, redirector: str | None, mentioned: str, *, missing: bool = False) -> list[str]:
    """The files a name or glob pattern (``*``, ``?``, ``[...]``, ``**``) stands for, sorted; each with the tree named.

    A file that exists under exactly this name is taken as it is.

    Raises:
        FileReadError: nothing matches.
    """
    file, tree = split_tree(name)
    place = absolute(file, folder)
    if is_file(place) or not any(sign in file for sign in "*?["):
        return [find(name, [folder], redirector, mentioned, missing=missing)]
    found = sorted(match for match in glob(str(place), recursive=True) if is_file(match))  # noqa: PTH207
    if not found:
        if is_remote(name, redirector):
            return [name]
        raise MissingFileError("no file matches this pattern", where=name, hint=f"given in {mentioned}")
    return [f"{match}:{tree}" for match in found] if tree else found
