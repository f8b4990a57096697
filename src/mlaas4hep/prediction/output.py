"""Writing scores row by row to ROOT, Parquet or CSV; the file appears under its name when it is complete."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlaas4hep.atomic.files import beside, check_place, flush_file, output_error, replace
from mlaas4hep.errors import OutputError
from mlaas4hep.formats import FORMATS

__all__ = ["SUFFIXES", "ScoreWriter", "check_output", "open_writer"]

_WRITERS = {entry.suffixes[0]: entry.writer for entry in FORMATS.values() if entry.writer is not None}
SUFFIXES = tuple(_WRITERS)


class _Format(Protocol):
    """One open file of some format."""

    def write(self, columns: Mapping[str, NDArray[Any]]) -> None: ...

    def close(self) -> None: ...


class ScoreWriter:
    """An output that is being written. Use it as a context manager: an error inside removes what was written.

    Made by `open_writer`.
    """

    def __init__(self, path: Path, columns: Mapping[str, np.dtype[Any]]) -> None:
        self.path = path
        self._columns = dict(columns)
        self._stack = ExitStack()
        self._partial = self._stack.enter_context(beside(path))
        try:
            self._file = _open(path.suffix.lower(), self._partial, self._columns)
        except BaseException as error:
            self._discard(error)
            raise

    def write(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append rows.

        Args:
            columns: one-dimensional, all of one length, with the names the writer was opened with; converted to the
                types it was opened with.

        Raises:
            OutputError: the disk is full.
            ValueError: the columns are others, or differ in length.
        """
        if columns.keys() != self._columns.keys() or len({len(values) for values in columns.values()}) > 1:
            sizes = {name: len(values) for name, values in columns.items()}
            msg = f"columns {sizes} do not fit {list(self._columns)}"
            raise ValueError(msg)
        rows = {name: np.ascontiguousarray(columns[name], dtype=kind) for name, kind in self._columns.items()}
        if not len(next(iter(rows.values()))):
            return
        try:
            self._file.write(rows)
        except BaseException as error:
            self._discard(error)
            raise

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises:
            OutputError: the disk is full.
        """
        try:
            self._file.close()
            flush_file(self._partial)
            replace(self._partial, self.path)
        except BaseException as error:
            self._discard(error)
            raise
        self._stack.close()

    def discard(self) -> None:
        """Remove what was written."""
        self._discard(None)

    def __enter__(self) -> ScoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._discard(None)

    def _discard(self, error: BaseException | None) -> None:
        """Close and remove the partial file; an OSError is raised again as OutputError."""
        if "_file" in self.__dict__:
            with suppress(Exception):  # the file is thrown away
                self._file.close()
        self._stack.close()
        if isinstance(error, OSError):
            raise output_error(error, self.path) from error


def open_writer(path: Path | str, columns: Mapping[str, DTypeLike], *, overwrite: bool = False) -> ScoreWriter:
    """Begin an output.

    Args:
        path: ends in .root (tree ``scores``), .parquet or .csv.
        columns: the type of every column, in order: numbers or booleans.
        overwrite: replace a file that is there.

    Raises:
        OutputError: unknown suffix, the file is there already, or the place is not writable.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    kinds = {name: _native(np.dtype(kind)) for name, kind in columns.items()}
    for name, kind in kinds.items():
        if kind.kind not in "biuf":
            what = f"column {name} is of type {kind}, only numbers and booleans can be written"
            raise OutputError(what, where=str(path))
    if not kinds:
        what = "there are no columns to write"
        raise OutputError(what, where=str(path))
    return ScoreWriter(path, kinds)


def check_output(path: Path | str, *, overwrite: bool = False) -> None:
    """Say before the work begins if an output of this name could not be written. Errors as for `open_writer`."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        what = f"unknown output format {path.suffix or path.name!r}"
        raise OutputError(what, where=str(path), hint=f"known are {', '.join(SUFFIXES)}")
    try:
        if path.is_dir():
            what = "there is a folder of this name"
            raise OutputError(what, where=str(path), hint="choose another name")
        if path.exists() and not overwrite:
            what = "the file exists already"
            raise OutputError(what, where=str(path), hint="choose another name or add --overwrite")
    except OSError as error:
        raise output_error(error, path) from error
    check_place(path)


def _native(kind: np.dtype[Any]) -> np.dtype[Any]:
    """The type as all formats know it: this machine's byte order, floats of 4 or 8 bytes."""
    if kind.kind == "f":
        return np.dtype(np.float32 if kind.itemsize <= 4 else np.float64)
    return kind.newbyteorder("=")


def _open(suffix: str, path: Path, columns: dict[str, np.dtype[Any]]) -> _Format:
    module, _, name = _WRITERS[suffix].partition(":")
    file: _Format = getattr(importlib.import_module(module), name)(path, columns)
    return file
