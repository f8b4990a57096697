"""Files that a run goes without: what is wrong with each, whether there may be so many, and a report.

It is decided in the first pass over the files which of them are left out. Their events are missing in every pass alike,
also if a file comes back; a file that turns bad later ends the run.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

from mlaas4hep.config.sections.data import Reading, Sample
from mlaas4hep.errors import FileError, FileReadError
from mlaas4hep.errors.findings import few
from mlaas4hep.streaming.execution import Executor

__all__ = ["BadFile", "BadFiles", "ThoroughExecutor"]


@dataclass(frozen=True)
class BadFile:
    """A file that is left out.

    Attributes:
        file: where it is, without credentials.
        kind: class of the failure.
        reason: what is wrong with it.
        attempts: how often it was tried.
        events_lost: its entries; None: not known, since it could not be opened.
    """

    file: str
    kind: str
    reason: str
    attempts: int
    events_lost: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain values, the kind as ``class``."""
        return {"class" if name == "kind" else name: value for name, value in asdict(self).items()}


class _Opened(Protocol):
    """What is asked of an open file: see `DataFile`."""

    @property
    def index(self) -> int: ...
    @property
    def sample(self) -> Sample: ...
    @property
    def source(self) -> Any: ...
    @property
    def path(self) -> str: ...


File = TypeVar("File", bound=_Opened)
Result = TypeVar("Result")
Task = TypeVar("Task")


class BadFiles:
    """Collects the files that a run goes without.

    Args:
        reading: says whether files may be left out, and how many.
    """

    def __init__(self, reading: Reading) -> None:
        self.found: list[BadFile] = []
        self.total = 0
        self._skip = reading.on_bad_file == "skip"
        self._limit = reading.max_bad
        self._first: FileError | None = None

    @property
    def skips(self) -> bool:
        """True if files may be left out."""
        return self._skip

    def executor(self, workers: int) -> Executor:
        """Return what runs the tasks of a first pass: if files may be left out, it finds all that are bad."""
        return ThoroughExecutor(workers) if self._skip else Executor(workers)

    def leave_out(self, error: FileError, path: str, events: int | None) -> None:
        """Go on without a file.

        Args:
            error: what is wrong with it.
            path: where it is, without credentials.
            events: its entries; None: not known.

        Raises:
            FileError: the run may not go on without it.
        """
        if not self._skip:
            raise error
        self._first = self._first or error
        self.found.append(BadFile(path, error.kind, error.what, error.attempts, events))
        allowed = self._allowed()
        if len(self.found) >= self.total:
            what = f"none of the {self.total} files can be used: {self._few()}"
            raise FileReadError(what, hint=self._first.hint) from error
        if len(self.found) > allowed:
            what = (
                f"{len(self.found)} of {self.total} files are bad, more than max_bad allows ({allowed}): {self._few()}"
            )
            raise FileReadError(what, hint="see what is wrong with them, or raise max_bad") from error

    def check(self, samples: Sequence[Sample], files: Iterable[_Opened]) -> None:
        """See that no class has lost all its files.

        Raises:
            FileReadError: one has.
        """
        left = {file.sample.label for file in files}
        for sample in samples:
            if self.found and sample.label not in left and not isinstance(sample.label, float):
                raise FileReadError(f"all files with the label {sample.label} are bad: {self._few()}")

    def settled(self, files: tuple[File, ...], work: Callable[[tuple[File, ...]], Result]) -> Result:
        """Return the result of a first pass over files: of the last one, after which none is bad.

        Args:
            files: open ones.
            work: the pass over some of them.

        Raises:
            FileError: the run may not go on without a file.
        """
        while True:
            try:
                return work(files)
            except FileError as error:
                wrong = {one.file: one for one in (error, *error.others) if one.file is not None}
                if not self._skip or not wrong:
                    raise
                for file in files:
                    if file.index in wrong:
                        self.leave_out(wrong[file.index], file.path, int(file.source.entries))
                samples = [file.sample for file in files]
                files = tuple(file for file in files if file.index not in wrong)
                self.check(samples, files)

    @contextmanager
    def later(self) -> Iterator[None]:
        """Say of files that turn bad after the first pass why they are not left out."""
        try:
            yield
        except FileError as error:
            if self._skip:
                error.hint = "it turned bad after the first pass, which decides what is left out: start again"
            raise

    def line(self) -> str:
        """Return one line on what is left out."""
        lost = sum(bad.events_lost or 0 for bad in self.found)
        unknown = sum(bad.events_lost is None for bad in self.found)
        events = [f"{lost} events"] if lost or not unknown else []
        events += [f"an unknown number of events ({unknown} could not be opened)"] if unknown else []
        return f"{len(self.found)} of {self.total} files are left out, with {' and '.join(events)}: {self._few()}"

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``bad_files.json``."""
        return {"files": self.total, "bad_files": [bad.to_json() for bad in self.found]}

    def render(self) -> str:
        """Return a table for people."""
        rows = [("file left out", "class", "attempts", "events lost", "reason")]
        for bad in self.found:
            lost = "unknown" if bad.events_lost is None else str(bad.events_lost)
            rows.append((bad.file, bad.kind, str(bad.attempts), lost, bad.reason))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]) for row in rows
        )

    def _allowed(self) -> int:
        if isinstance(self._limit, int):
            return self._limit
        return int(self.total * float(self._limit.removesuffix("%")) / 100 + 1e-9)

    def _few(self) -> str:
        return few([f"{bad.file} ({bad.reason})" for bad in self.found], 3)


class ThoroughExecutor(Executor):
    """After an error in one file it goes on with the tasks of the others, to find all that are bad."""

    thorough = True

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], ahead: int | None = None
    ) -> Generator[Result, None, None]:
        """Yield the results in the order of the tasks, up to the first error in a file.

        Raises:
            FileError: after all tasks are done, the first error; `others` has those of other files.
        """
        wrong: dict[int | None, FileError] = {}
        left = (task for task in tasks if getattr(getattr(task, "file", None), "index", -1) not in wrong)
        for result in super().map(_Caught(function), left, ahead):
            if isinstance(result, FileError):
                wrong.setdefault(result.file, result)
            elif not wrong:
                yield result
        if wrong:
            first, *others = wrong.values()
            first.others = tuple(others)
            raise first


@dataclass(frozen=True)
class _Caught:
    """Returns an error in a file rather than raising it."""

    function: Callable[[Any], Any]

    def __call__(self, task: Any) -> Any:
        try:
            return self.function(task)
        except FileError as error:
            if error.file is None:
                raise
            return error
