"""The files of a workflow, opened, in an order that does not depend on the order they were named in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mlaas4hep.config.sections.data import Reading, Sample
from mlaas4hep.errors import ConfigError, FileError, without_credentials
from mlaas4hep.errors.findings import few
from mlaas4hep.formats import FORMATS
from mlaas4hep.streaming.bad_files import BadFiles
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.readers.base import Source
from mlaas4hep.streaming.readers.factory import format_of
from mlaas4hep.streaming.readers.room import ROOM
from mlaas4hep.streaming.remote.location import is_remote, resolve, split_tree
from mlaas4hep.streaming.remote.patterns import expand
from mlaas4hep.streaming.user_function.function import EventFunction
from mlaas4hep.streaming.user_function.source import ComputedSource

__all__ = ["DataFile", "close_files", "open_files", "opened"]

_AT_ONCE = 16
"""Remote files that are opened at the same time."""


@dataclass(frozen=True)
class DataFile:
    """One open file of a sample.

    Attributes:
        index: position among all files as the user gave them.
        sample: the sample it belongs to.
        source: the open file.
        own_tree: whether the file or its sample names a tree of its own.
        alike: how many other files before it have a path that reads the same once credentials are taken out.
    """

    index: int
    sample: Sample
    source: Source
    own_tree: bool = False
    alike: int = 0

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Note in errors that they are about this file."""
        try:
            yield
        except FileError as error:
            error.file = self.index
            raise

    @property
    def path(self) -> str:
        """Where the file is, with its tree if that is its own; as it may be shown and stored, unlike all others."""
        path = f"{self.source.path}:{self.source.tree}" if self.own_tree and self.source.tree else self.source.path
        return f"{path} ({self.alike + 1})" if self.alike else path


def open_files(
    samples: Sequence[Sample],
    tree: str | None,
    reading: Reading,
    *,
    twins: bool = False,
    note: Callable[[str], None] | None = None,
    function: EventFunction | None = None,
    bad: BadFiles | None = None,
) -> tuple[DataFile, ...]:
    """Open all files; the result is sorted by the identity of their content.

    Args:
        samples: the files; a folder or pattern stands for the files in it. One that is named with its tree
            (``file.root:tree``) has that, else that of its sample.
        tree: path of the tree in all other ROOT files.
        reading: redirector and format, and how CSV is to be read.
        twins: two files may have the same content.
        note: told what was chosen to read them.
        function: of the user, through which all events go that are read.
        bad: told of files that cannot be opened; None: the first of them is an error.

    Raises:
        FileReadError: a file cannot be opened.
        TreeNotFoundError: a file has no such tree.
        PreprocessingError: the function fails on the first events of a file.
        ConfigError: a file is named twice, or a setting of CSV is given and no file is CSV.
    """
    ROOM.fit(reading.memory_limit)
    bad = BadFiles(Reading()) if bad is None else bad
    files: list[DataFile] = []
    try:
        places = _places(samples, reading)
        bad.total = len(places)
        for index, (place, source) in enumerate(zip(places, _sources(places, tree, reading), strict=True)):
            sample, location, own = place
            if isinstance(source, FileError):
                shown = without_credentials(location)
                bad.leave_out(source, f"{shown}:{own}" if own else shown, None)
                continue
            files.append(DataFile(index, sample, source, own_tree=own is not None))
            if function is not None:
                files[-1] = replace(files[-1], source=ComputedSource(source, function))
        bad.check(samples, files)
        if not twins:
            _refuse_twins(files)
        if note is not None:
            _tell(files, note)
            if function is not None and not function.vectorised:
                note(f"{function.path}: called with one event after another; preprocessing(events) is faster")
    except BaseException:
        close_files(files)
        raise
    return _told_apart(sorted(files, key=lambda file: (file.source.identity, file.path, file.source.location)))


@contextmanager
def opened(
    samples: Sequence[Sample],
    tree: str | None,
    reading: Reading,
    *,
    twins: bool = False,
    note: Callable[[str], None] | None = None,
    function: EventFunction | None = None,
    bad: BadFiles | None = None,
) -> Iterator[tuple[DataFile, ...]]:
    """Open all files as `open_files` does, and close them at the end."""
    files = open_files(samples, tree, reading, twins=twins, note=note, function=function, bad=bad)
    try:
        yield files
    finally:
        close_files(files)


def close_files(files: Iterable[DataFile]) -> None:
    """Release all files."""
    for file in files:
        file.source.close()


def _places(samples: Sequence[Sample], reading: Reading) -> list[tuple[Sample, str, str | None]]:
    """Where all files are, folders and patterns made their files, each with a tree of its own or None."""
    found = []
    for sample in samples:
        for path in sample.files:
            name, own = split_tree(path)
            for location in expand(resolve(name, reading.redirectors, reading.remote), reading.format):
                found.append((sample, location, own or sample.tree))
    _refuse_idle([location for _, location, _ in found], reading)
    return found


def _sources(
    places: Sequence[tuple[Sample, str, str | None]], tree: str | None, reading: Reading
) -> Iterator[Source | FileError]:
    """The files, open, in order, or why one is not.

    Of remote ones several are opened at a time, each of which waits for its server.
    """

    def opened_one(place: tuple[Sample, str, str | None]) -> Source | FileError:
        _, location, own = place
        try:
            return open_source(
                location, own or tree, format=reading.format, names=reading.names, separator=reading.separator
            )
        except FileError as error:
            return error

    remote = any(is_remote(location) for _, location, _ in places)
    return Executor(_AT_ONCE if remote else 1).map(opened_one, places)


def _refuse_idle(paths: Sequence[str], reading: Reading) -> None:
    """Refuse settings of CSV that would have no effect."""
    given = "reading.names" if reading.names else "reading.separator" if reading.separator else None
    if given and not any(FORMATS[format_of(path, reading.format)].header for path in paths):
        raise ConfigError(f"{given} is for CSV files, and there are none", hint="leave it out")


def _told_apart(files: Sequence[DataFile]) -> tuple[DataFile, ...]:
    """The same files; counts and cutflows go by path, so no two places may have the same."""
    places: dict[str, list[str]] = {}
    found = []
    for file in files:
        known = places.setdefault(file.path, [])
        if file.source.location not in known:
            known.append(file.source.location)
        found.append(replace(file, alike=known.index(file.source.location)))
    return tuple(found)


def _tell(files: Sequence[DataFile], note: Callable[[str], None]) -> None:
    remarks: dict[str, list[str]] = {}
    for file in files:
        if file.source.remark:
            remarks.setdefault(file.source.remark, []).append(file.path)
    for remark, paths in remarks.items():
        note(f"{few(paths, 3)}: {remark}")


def _refuse_twins(files: Sequence[DataFile]) -> None:
    seen: dict[str, str] = {}
    for file in files:
        identity = file.source.identity
        if identity in seen and file.source.entries:
            raise ConfigError(
                f"has the same content as {seen[identity]}",
                where=file.path,
                hint="name each file once: an event that is used twice could be on both sides of the split",
            )
        seen[identity] = file.path
