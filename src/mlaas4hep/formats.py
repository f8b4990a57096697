"""The one table of formats of data files: name on the command line and in configurations, suffixes, first bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "COMPRESSIONS",
    "FORMATS",
    "LONGEST_MAGIC",
    "Format",
    "compression_of",
    "format_of_content",
    "format_of_name",
    "names_trees",
    "stem_of",
]

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
        contents: where a file may hold several trees, module and function, with a colon between, that lists them:
            called with the path, it gives name and class of the trees, and of what else is in the file.
        header: whether a file may lack a line that names its columns; then `reader` is called with the path, the names
            of the columns (none: the first line has them) and the separator (None: found out).
        magic: bytes that every file of the format begins with; empty: there are none.
        writer: module and class that writes scores, with a colon between, to files with the first of the suffixes;
            called with the path and the type of each column. None: scores are not written in this format.
    """

    name: str
    suffixes: tuple[str, ...]
    compressed: bool
    reader: str
    contents: str | None = None
    header: bool = False
    magic: bytes = b""
    writer: str | None = None

    @property
    def trees(self) -> bool:
        """Whether a file may hold several trees."""
        return self.contents is not None

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
            contents=f"{_READERS}.root_file:contents",
            magic=b"root",
            writer=f"{_WRITERS}.output_root:RootFile",
        ),
        Format(
            "csv",
            (".csv", ".tsv"),
            compressed=True,
            reader=f"{_READERS}.tables.csv:CsvSource",
            header=True,
            writer=f"{_WRITERS}.output_table:CsvFile",
        ),
        Format("json", (".json", ".jsonl", ".ndjson"), compressed=True, reader=f"{_READERS}.tables.json:JsonSource"),
        Format(
            "parquet",
            (".parquet", ".pq"),
            compressed=False,
            reader=f"{_READERS}.tables.parquet:ParquetSource",
            magic=b"PAR1",
            writer=f"{_WRITERS}.output_table:ParquetFile",
        ),
        Format("avro", (".avro",), compressed=True, reader=f"{_READERS}.tables.avro:AvroSource", magic=b"Obj\x01"),
        Format(
            "hdf5",
            (".h5", ".hdf5", ".hdf"),
            compressed=False,
            reader=f"{_READERS}.tables.hdf5:Hdf5Source",
            contents=f"{_READERS}.tables.hdf5:contents",
            magic=b"\x89HDF\r\n\x1a\n",
        ),
    )
}


LONGEST_MAGIC = max(len(entry.magic) for entry in FORMATS.values())
"""Bytes of a file that `format_of_content` needs."""


def format_of_content(begin: bytes) -> Format | None:
    """Return the format that the first bytes of a file tell, or None; text has no such bytes.

    Example:
        >>> format_of_content(b"PAR1...").name
        'parquet'
    """
    return next((entry for entry in FORMATS.values() if entry.magic and begin.startswith(entry.magic)), None)


def names_trees(name: str) -> bool:
    """Whether the name of a file or its path is one of a format with trees, so that ``file:tree`` names one of them."""
    found = format_of_name(name.rpartition("/")[2])
    return found is not None and found.trees


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
