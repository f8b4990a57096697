"""The one table of formats of data files: the name on the command line and in configurations, suffixes, compression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["COMPRESSIONS", "FORMATS", "Format", "compression_of", "format_of_name", "stem_of"]

COMPRESSIONS = (".gz", ".bz2", ".zst", ".xz")
"""Suffixes of compressed text, which is unpacked while it is read."""


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: how users call it.
        suffixes: of its files, lower case.
        compressed: whether a suffix of `COMPRESSIONS` may follow; other formats compress their content themselves.
        reader: module and what opens a file, with a colon between; called with the path, and with the name of the
            tree where there are trees.
        trees: whether a file may hold several trees.
        writer: module and class that writes scores, with a colon between, to files with the first of the suffixes;
            called with the path and the type of each column. None: scores are not written in this format.
    """

    name: str
    suffixes: tuple[str, ...]
    compressed: bool
    reader: str
    trees: bool = False
    writer: str | None = None

    def endings(self) -> Iterator[str]:
        """Give all endings of a file's name that mean this format, lower case."""
        for suffix in self.suffixes:
            yield suffix
            if self.compressed:
                yield from (suffix + compression for compression in COMPRESSIONS)


_READERS = "mlaas4hep.streaming.readers"
_WRITERS = "mlaas4hep.prediction"

FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format(
            "root",
            (".root",),
            compressed=False,
            reader=f"{_READERS}.root_file:open_root",
            trees=True,
            writer=f"{_WRITERS}.output_root:RootFile",
        ),
        Format(
            "csv",
            (".csv", ".tsv"),
            compressed=True,
            reader=f"{_READERS}.tables.csv:CsvSource",
            writer=f"{_WRITERS}.output_table:CsvFile",
        ),
        Format("json", (".json", ".jsonl", ".ndjson"), compressed=True, reader=f"{_READERS}.tables.json:JsonSource"),
        Format(
            "parquet",
            (".parquet", ".pq"),
            compressed=False,
            reader=f"{_READERS}.tables.parquet:ParquetSource",
            writer=f"{_WRITERS}.output_table:ParquetFile",
        ),
        Format("avro", (".avro",), compressed=True, reader=f"{_READERS}.tables.avro:AvroSource"),
    )
}


def format_of_name(name: str) -> Format | None:
    """Return the format that the name of a file tells, or None.

    Args:
        name: without folder; of a URL without what follows a question mark.

    Example:
        >>> format_of_name("events.CSV.zst").name, format_of_name("files.txt")
        ('csv', None)
    """
    found = _ending(name)
    return found[1] if found else None


def compression_of(name: str) -> str | None:
    """Return the suffix of the compression of a file, lower case, e.g. ``.gz``; None if its name tells none."""
    lower = name.lower()
    return next((suffix for suffix in COMPRESSIONS if lower.endswith(suffix)), None)


def stem_of(name: str) -> str:
    """Return the name of a file without the ending that tells its format.

    Example:
        >>> stem_of("higgs.v2.csv.gz"), stem_of("data.dat")
        ('higgs.v2', 'data')
    """
    found = _ending(name)
    if found:
        return name[: -len(found[0])]
    return name.rsplit(".", 1)[0] or name


def _ending(name: str) -> tuple[str, Format] | None:
    lower = name.lower()
    endings = [(ending, entry) for entry in FORMATS.values() for ending in entry.endings() if lower.endswith(ending)]
    return max(endings, key=lambda found: len(found[0]), default=None)
