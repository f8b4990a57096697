"""Formats that give one record after another (JSON, Avro): columns of them, by blocks."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import FileReadError, UnsupportedBranchError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.readers.common import Reader
from mlaas4hep.streaming.readers.tables.cursor import Cursors

__all__ = ["BLOCK", "Record", "RecordReader", "Survey"]

Record: TypeAlias = Mapping[str, Any]
BLOCK = 4096
"""Records that are read at once."""


class Survey:
    """What a first pass over all records finds out: names, types and number of entries.

    Numbers of several types in one column have the widest of them; a value that is missing somewhere makes it float64.
    """

    def __init__(self) -> None:
        self.entries = 0
        self._kinds: dict[str, set[str]] = {}
        self._seen: dict[str, int] = {}

    def add(self, record: Record) -> None:
        """Take one more record into account."""
        self.entries += 1
        for name, value in record.items():
            kinds = self._kinds.setdefault(name, set())
            self._seen[name] = self._seen.get(name, 0) + 1
            if isinstance(value, list):
                kinds.add("list")
                kinds.update(f"list of {_word(item)}" for item in value)
            else:
                kinds.add(_word(value))

    def branches(self) -> dict[str, Branch]:
        """Return the columns in the order in which they first came."""
        return {name: self._branch(name, kinds) for name, kinds in self._kinds.items()}

    def _branch(self, name: str, kinds: set[str]) -> Branch:
        if "list" in kinds:
            inner = {
                kind.removeprefix("list of ") for kind in kinds - {"list", "missing"} if kind.startswith("list of ")
            }
            plain = {kind for kind in kinds - {"list", "missing"} if not kind.startswith("list of ")}
            dtype = None if plain else _dtype(inner)
            words = " or ".join(sorted(plain | {f"lists of {kind}" for kind in inner - {"missing"}}))
            return Branch(name, "jagged", dtype) if dtype else Branch(name, "unsupported", words)
        absent = {"missing"} if self._seen[name] < self.entries else set()
        dtype = _dtype(kinds | absent)
        words = " or ".join(sorted(kinds - {"missing"}))
        return Branch(name, "flat", dtype) if dtype else Branch(name, "unsupported", words)


class RecordReader(Reader):
    """Base of readers of records; `_records` gives them from the beginning."""

    _has_text = True
    _sequential = True

    def __init__(self) -> None:
        self._cursors: Cursors[list[Record]] = Cursors(self._blocks)

    def close(self) -> None:
        """Release the file."""
        self._cursors.close()

    def read_labels(self, branch: str, start: int, stop: int) -> NDArray[Any]:
        """See `Source`."""
        kind = self.branch(branch)
        if kind.kind == "flat":
            return super().read_labels(branch, start, stop)
        if kind.dtype != "string":
            raise UnsupportedBranchError(
                f"column {branch} holds {kind.dtype}, which cannot be a label", where=self.place
            )
        self.check_range(start, stop)
        values = [record.get(branch) for record in self._range(start, stop)]
        if None in values:
            at = start + values.index(None)
            raise FileReadError(f"the label in column {branch} is missing in entry {at}", where=self.place)
        return np.array(values, dtype=np.str_)

    def _text(self, branch: str, start: int, stop: int) -> list[str | None]:
        return [record.get(branch) for record in self._range(start, stop)]

    def _records(self) -> Iterator[Record]:
        raise NotImplementedError

    def _blocks(self, _key: Hashable) -> Iterator[list[Record]]:
        records = self._records()
        while block := list(islice(records, BLOCK)):
            yield block

    def _range(self, start: int, stop: int) -> list[Record]:
        return [
            record
            for block, a, b in self._cursors.pieces(None, start, stop, last=stop == self._entries)
            for record in block[a:b]
        ]

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        records = self._range(start, stop)
        return {name: _column([record.get(name) for record in records], self._branches[name]) for name in names}


def _column(values: Sequence[Any], branch: Branch) -> Column:
    if branch.kind == "flat":
        return _numbers(values, branch.dtype)
    lists = [value or [] for value in values]
    counts = np.fromiter((len(items) for items in lists), dtype=np.int64, count=len(lists))
    return Jagged.from_counts(counts, _numbers([item for items in lists for item in items], branch.dtype))


def _numbers(values: Sequence[Any], dtype: str) -> NDArray[Any]:
    if dtype.startswith("float"):
        return np.array([np.nan if value is None else value for value in values], dtype=dtype)
    return np.array(values, dtype=dtype)


def _word(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64" if -(2**63) <= value < 2**63 else "uint64" if 0 <= value < 2**64 else "float64"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, str):
        return "string"
    return "nested lists" if isinstance(value, list) else "objects" if isinstance(value, dict) else type(value).__name__


def _dtype(kinds: set[str]) -> str | None:
    """The type that holds all of some types of numbers; None if one of them is not a number."""
    present = kinds - {"missing"}
    if not present <= {"bool", "int64", "uint64", "float64"} or ("bool" in present and len(present) > 1):
        return None
    if "missing" in kinds or not present or "float64" in present:
        return "float64"
    return next(iter(present)) if len(present) == 1 else "float64"
