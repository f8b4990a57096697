"""The right reader for a file: by the format asked for, else by its suffix, else by its first bytes."""

from __future__ import annotations

import importlib
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlaas4hep.errors import FileReadError
from mlaas4hep.formats import FORMATS, LONGEST_MAGIC, Format, format_of_content, format_of_name
from mlaas4hep.streaming.readers.files import open_raw
from mlaas4hep.streaming.remote.location import name_of

if TYPE_CHECKING:
    from mlaas4hep.streaming.readers.base import Source

__all__ = ["format_of", "open_source"]


def format_of(path: str, format: str | None = None) -> str:
    """Return the name of a file's format, see `mlaas4hep.formats`.

    Raises:
        FileReadError: the format asked for is unknown, or neither suffix nor content tells one.
    """
    if format is not None:
        if format not in FORMATS:
            raise FileReadError(f"unknown format {format!r}", where=path, hint=f"known are {', '.join(FORMATS)}")
        return format
    name = name_of(path)
    found = format_of_name(name) or _by_content(path)
    if found is None:
        suffix = PurePosixPath(name).suffix
        what = f"unknown suffix {suffix!r}" if suffix else "the format cannot be told from a name without suffix"
        raise FileReadError(what, where=path, hint=f"give the format: {', '.join(FORMATS)}")
    return found.name


def open_source(
    path: str,
    tree: str | None,
    *,
    format: str | None = None,
    names: tuple[str, ...] = (),
    separator: str | None = None,
) -> Source:
    """Open a file for reading.

    Args:
        path: a local path or URL, see `mlaas4hep.streaming.remote.location.resolve`.
        tree: path of the tree in a ROOT or HDF5 file, e.g. ``folder/events``; None: the only one there is. Not used for
            other tables.
        format: name of the format; None: by the suffix, else by the content.
        names: of the columns of a CSV file without a header line.
        separator: what stands between the columns of a CSV file; None: it is found out.

    Raises:
        FileReadError: no such file, not of this format, damaged, or out of reach.
        TreeNotFoundError: no such tree.
        FrameworkMissingError: a package that is needed for this location or format is not installed.
    """
    known = FORMATS[format_of(path, format)]
    module, _, opener = known.reader.partition(":")
    open_it = getattr(importlib.import_module(module), opener)
    given: tuple[object, ...] = (tree,) if known.trees else (names, separator) if known.header else ()
    source: Source = open_it(path, *given)
    source.reopened = _reopened, (path, source.tree, known.name, names, separator, source.identity)
    return source


def _by_content(path: str) -> Format | None:
    """Return the format that the content of a file tells; None also if it cannot be read."""
    try:
        with open_raw(path) as file:
            return format_of_content(file.read(LONGEST_MAGIC))
    except FileReadError:
        return None


@lru_cache(maxsize=64)
def _reopened(
    path: str, tree: str | None, format: str, names: tuple[str, ...], separator: str | None, identity: str
) -> Source:
    """The file of an unpickled source; each process opens it once."""
    source = open_source(path, tree, format=format, names=names, separator=separator)
    if source.identity != identity:
        hint = "start again when no other program writes to it"
        raise FileReadError("changed while it was in use", where=source.path, hint=hint)
    return source
