"""The right reader for a file: by the format asked for, else by its suffix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.location import suffix_of

if TYPE_CHECKING:
    from mlaas4hep.streaming.readers.common import LabelSource

__all__ = ["format_of", "list_trees", "open_source"]

_SUFFIXES = {
    ".root": "root",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".avro": "avro",
}


def format_of(path: str, format: str | None = None) -> str:
    """Name of a file's format: root, parquet, csv, json or avro.

    Raises:
        FileReadError: the suffix, or the format asked for, is unknown.
    """
    known = sorted(set(_SUFFIXES.values()))
    if format is not None:
        if format not in known:
            raise FileReadError(f"unknown format {format!r}", where=path, hint=f"known are {', '.join(known)}")
        return format
    suffix = suffix_of(path)
    if suffix not in _SUFFIXES:
        what = f"unknown suffix {suffix!r}" if suffix else "a name without suffix does not tell the format"
        raise FileReadError(what, where=path, hint=f"give the format: {', '.join(known)}")
    return _SUFFIXES[suffix]


def open_source(path: str, tree: str | None, *, format: str | None = None) -> LabelSource:
    """Open a file for reading.

    Args:
        path: a local path or URL, see `mlaas4hep.streaming.location.resolve`.
        tree: path of the tree in a ROOT file, e.g. ``folder/events``; None: the only one there is. Not used for tables.
        format: root, parquet, csv, json or avro; None: by the suffix.

    Raises:
        FileReadError: no such file, not of this format, damaged, or out of reach.
        TreeNotFoundError: no such tree.
        FrameworkMissingError: a package that is needed for this location or format is not installed.
    """
    name = format_of(path, format)
    if name == "root":
        from mlaas4hep.streaming.readers.root import open_root

        return open_root(path, tree)
    if name == "parquet":
        from mlaas4hep.streaming.readers.parquet import ParquetSource

        return ParquetSource(path)
    if name == "csv":
        from mlaas4hep.streaming.readers.csv import CsvSource

        return CsvSource(path)
    if name == "json":
        from mlaas4hep.streaming.readers.json import JsonSource

        return JsonSource(path)
    from mlaas4hep.streaming.readers.avro import AvroSource

    return AvroSource(path)


def list_trees(path: str) -> list[tuple[str, str, int]]:
    """Trees of a ROOT file, in folders too: (path in the file, class name, entries); the newest cycle of each."""
    from mlaas4hep.streaming.readers.root import list_trees as trees_of_root

    return trees_of_root(path)
