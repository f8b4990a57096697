"""The files of a workflow, opened, in an order that does not depend on the order they were named in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlaas4hep.config.workflow import Reading, Sample
from mlaas4hep.errors import ConfigError
from mlaas4hep.streaming.location import resolve
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.base import Source
from mlaas4hep.streaming.readers.room import ROOM

__all__ = ["DataFile", "close_files", "open_files"]


@dataclass(frozen=True)
class DataFile:
    """One open file of a sample.

    Attributes:
        index: position among all files as the user gave them.
        sample: the sample it belongs to.
        source: the open file.
    """

    index: int
    sample: Sample
    source: Source

    @property
    def path(self) -> str:
        """Where the file is."""
        return self.source.path


def open_files(
    samples: Sequence[Sample], tree: str | None, reading: Reading, *, twins: bool = False
) -> tuple[DataFile, ...]:
    """Open all files; the result is sorted by the identity of their content.

    Args:
        samples: the files.
        tree: path of the tree, for ROOT files.
        reading: redirector and format.
        twins: two files may have the same content.

    Raises:
        FileReadError: a file cannot be opened.
        TreeNotFoundError: a file has no such tree.
        ConfigError: a file is named twice.
    """
    ROOM.fit(reading.memory_limit)
    files: list[DataFile] = []
    try:
        for sample in samples:
            for path in sample.files:
                source = open_source(resolve(path, reading.redirector), tree, format=reading.format)
                files.append(DataFile(len(files), sample, source))
        if not twins:
            _refuse_twins(files)
    except BaseException:
        close_files(files)
        raise
    return tuple(sorted(files, key=lambda file: (file.source.identity, file.path)))


def close_files(files: Iterable[DataFile]) -> None:
    """Release all files."""
    for file in files:
        file.source.close()


def _refuse_twins(files: Sequence[DataFile]) -> None:
    seen: dict[str, str] = {}
    for file in files:
        identity = file.source.identity
        if identity in seen and file.source.entries:
            raise ConfigError(
                f"has the same content as {seen[identity]}",
                where=file.path,
                hint="name each file once: an event that is used twice would stand on both sides of the split",
            )
        seen[identity] = file.path
