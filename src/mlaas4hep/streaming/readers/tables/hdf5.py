"""HDF5 through h5py: a group of data sets or a compound data set is the tree; only the ranges asked for are read."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import FileReadError, UnsupportedBranchError
from mlaas4hep.errors.reading import CorruptFileError
from mlaas4hep.errors.text import first_line
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.readers.common import Reader, clusters_of
from mlaas4hep.streaming.readers.files import digest, open_raw
from mlaas4hep.streaming.readers.tables.hdf5_datasets import Datasets
from mlaas4hep.streaming.readers.tables.hdf5_layout import choose, columns_of, tables

__all__ = ["Hdf5Source", "contents"]

_LONG = 1 << 17
"""Entries of a chunk from which a person is told."""


class Hdf5Source(Reader):
    """A table of an HDF5 file.

    Args:
        path: a local path or URL.
        tree: path of a group or of a compound data set; None: the only table there is.

    Raises:
        FileReadError: no such file, not HDF5, or damaged.
        TreeNotFoundError: no such table, or several and none is named.
        FrameworkMissingError: h5py is not installed.
    """

    _has_text = True

    def __init__(self, path: str, tree: str | None) -> None:
        self._path = path
        content = digest(path)
        self._raw = open_raw(path)
        try:
            self._file = _opened(self._raw, path)
            try:
                self._tree, self._remark = choose(self._file, path, tree)
                self._entries, columns = columns_of(self._file, path, self._tree)
                self._stored = {name: stored for name, (_, stored) in columns.items()}
                self._datasets = Datasets(self._file, [stored.dataset for stored in self._stored.values()])
            except (OSError, RuntimeError, KeyError, ValueError) as error:
                raise _damaged(path, error) from error
        except BaseException:
            self._raw.close()
            raise
        self._branches = {name: branch for name, (branch, _) in columns.items()}
        self._identity = f"{content}:{self._tree}"
        chunk = self._datasets.chunk
        self._clusters = clusters_of(range(0, self._entries, chunk) if chunk else (), self._entries)
        self._compression = self._datasets.compression
        if chunk > _LONG and self._remark is None:
            self._remark = f"its chunks have {chunk:,} entries: such files are slow to read, or need much memory"

    def close(self) -> None:
        """Release the file."""
        self._datasets.close()
        self._file.close()
        self._raw.close()

    def read_labels(self, branch: str, start: int, stop: int) -> NDArray[Any]:
        """See `Source`."""
        found = self.branch(branch)
        if found.dtype != "string" or found.fault:
            return super().read_labels(branch, start, stop)
        return np.array(self.read_text(branch, start, stop), dtype=np.str_)

    def _text(self, branch: str, start: int, stop: int) -> list[str | None]:
        stored = self._stored[branch]
        values = self._values(stored.dataset, [stored.field], start, stop)[stored.field]
        try:
            return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]
        except UnicodeDecodeError as error:
            raise UnsupportedBranchError(f"column {branch} holds text that is not UTF-8", where=self.place) from error

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        fields: dict[str, list[str | None]] = {}
        for name in names:
            fields.setdefault(self._stored[name].dataset, []).append(self._stored[name].field)
        values = {dataset: self._values(dataset, wanted, start, stop) for dataset, wanted in fields.items()}
        found: dict[str, Column] = {}
        for name in names:
            stored = self._stored[name]
            found[name] = _column(values[stored.dataset][stored.field], self._branches[name], stored.items)
        return found

    def _values(
        self, dataset: str, fields: Sequence[str | None], start: int, stop: int
    ) -> dict[str | None, NDArray[Any]]:
        """Read rows of a data set; of a compound one some fields, by name."""
        try:
            item = self._datasets.get(dataset)
            if fields[0] is None:
                return {None: item[start:stop]}
            rows = item.fields([str(field) for field in fields])[start:stop]
        except (OSError, RuntimeError, ValueError) as error:
            what = f"rows {start} to {stop} of {dataset} cannot be read: {first_line(error)}"
            raise FileReadError(what, where=self._path, hint=_filter_hint(error)) from error
        return {field: rows[field] for field in fields}


def contents(path: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the tables of a file, name and kind, and what else it holds, which is not said.

    Raises:
        FileReadError: no such file, not HDF5, or damaged.
    """
    with open_raw(path) as raw:
        file = _opened(raw, path)
        try:
            return list(tables(file).items()), []
        except (OSError, RuntimeError, KeyError) as error:
            raise _damaged(path, error) from error
        finally:
            file.close()


def _opened(raw: Any, path: str) -> Any:
    """Open the bytes of a file; filters of the package hdf5plugin are at hand if it is installed."""
    import h5py

    if importlib.util.find_spec("hdf5plugin") is not None:
        importlib.import_module("hdf5plugin")
    try:
        return h5py.File(raw, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: str, error: Exception) -> FileReadError:
    return CorruptFileError(f"is not an HDF5 file, or damaged: {first_line(error)}", where=path)


def _filter_hint(error: Exception) -> str:
    text = str(error).lower()
    if "filter" in text or "plugin" in text:
        return "its compression needs a filter: pip install hdf5plugin"
    return "copy the file again"


def _column(values: NDArray[Any], branch: Branch, items: np.dtype[Any] | None) -> Column:
    """Make a column of the values of a data set, [events], [events, ...] or arrays of varying length of ``items``."""
    if branch.kind == "flat":
        return values.astype(branch.dtype, copy=False)
    if items is None:
        return Jagged.from_regular(values.astype(branch.dtype, copy=False))
    counts = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
    content = np.concatenate(list(values)) if len(values) else np.empty(0, items)
    if content.dtype.isnative != items.isnative:
        content = content.view(items)  # h5py gives the bytes as they are stored, but calls them native
    return Jagged.from_counts(counts, content.astype(branch.dtype, copy=False))
