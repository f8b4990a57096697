"""A file as the user's ``preprocessing`` leaves it: a source over the source of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import PreprocessingError, UnsupportedBranchError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.base import Branch, Computed, Source
from mlaas4hep.streaming.readers.common import TEXT, Reader
from mlaas4hep.streaming.user_function.arrays import Text, column_of, events_of, left_of
from mlaas4hep.streaming.user_function.function import EventFunction
from mlaas4hep.streaming.user_function.records import records_left

__all__ = ["ComputedSource"]

KEPT = "passes_preprocessing"
"""Branch that is true for the events that the function returned."""

_SAMPLE = 100
_GLOBS = frozenset("*?[")


@dataclass(frozen=True)
class _Found:
    """What the function made of some events.

    Attributes:
        branches: in its order.
        columns: values of the events that are left.
        kept: which they are, int64 ascending.
    """

    branches: dict[str, Branch]
    columns: dict[str, Column | Text]
    kept: NDArray[np.int64]


class ComputedSource(Reader):
    """The events of a file, of which the function changes branches, adds some, and says which are kept.

    There are as many entries as in the file. For those that the function removed a branch has its value of the file
    where it is flat there too, else NaN, 0 or an empty list; `KEPT` is false for them. Branches that the
    function was given and did not return are gone; those it was not given are as in the file.

    Args:
        inner: the file.
        function: what is called on every range that is read.

    Raises:
        PreprocessingError: the function fails on the first events, or what it makes of an event depends on others.
        BranchNotFoundError: it names a branch that is not in the file.
    """

    def __init__(self, inner: Source, function: EventFunction) -> None:
        self._inner = inner
        self._function = function
        self._branches = inner.branches  # until it is known what becomes of them
        self._path, self._tree, self._entries = inner.location, inner.tree, inner.entries
        self._identity, self._clusters, self._compression = inner.identity, inner.clusters, inner.compression
        self._remark, self._sequential = inner.remark, inner.sequential
        self._given = self._chosen()
        self._made = self._known()
        if KEPT in inner.branches or KEPT in self._made:
            raise PreprocessingError(f"there is a branch {KEPT} already", where=self.place, hint="rename it")
        rest = {name: branch for name, branch in inner.branches.items() if name not in self._given}
        ordered = {name: self._made.get(name, rest.get(name)) for name in inner.branches}
        self._branches = {name: branch for name, branch in ordered.items() if branch is not None}
        self._branches |= {name: branch for name, branch in self._made.items() if name not in self._branches}
        self._branches[KEPT] = Branch(KEPT, "flat", "bool", hidden=True)
        names = tuple(name for name in self._branches if name in self._made)
        self._computed = Computed(function.sha256, self._given, names, KEPT)
        self.reopened = ComputedSource, (inner, function)

    def close(self) -> None:
        """Release the file."""
        self._inner.close()

    def read_labels(self, branch: str, start: int, stop: int) -> NDArray[Any]:
        """See `Source`; text of the file is given as it is there."""
        found = self.branch(branch)
        if branch not in self._inner.branches or (branch in self._made and found.kind != "unsupported"):
            return super().read_labels(branch, start, stop)
        return self._inner.read_labels(branch, start, stop)

    def _text(self, branch: str, start: int, stop: int) -> list[str | None]:
        return self._inner.read_text(branch, start, stop)

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        plain = [name for name in names if name not in self._made and name != KEPT]
        if len(plain) == len(names) or start == stop:
            empty = {name: _blank(self._branches[name], 0) for name in names if name not in plain}
            return {**self._inner.read(plain, start, stop), **empty}
        numbers = self._inner.read([*dict.fromkeys([*self._numbers(), *plain])], start, stop)
        found = self._call(numbers, start, stop)
        result: dict[str, Column] = {name: numbers[name] for name in plain}
        for name in names:
            if name == KEPT:
                result[name] = np.isin(np.arange(stop - start), found.kept)
            elif name in self._made:
                column = self._typed(name, found, start, stop) if len(found.kept) else _blank(self._made[name], 0)
                result[name] = _spread(column, found.kept, stop - start, numbers.get(name))
        return result

    def _chosen(self) -> tuple[str, ...]:
        """Branches that the function is given: those it names, or all that hold numbers; a record has text, too."""
        branches, patterns = self._inner.branches, self._function.patterns
        text = TEXT if self._inner.has_text and not self._function.vectorised else ()
        readable = [n for n, b in branches.items() if not b.hidden and (b.kind != "unsupported" or b.dtype in text)]
        if patterns is None:
            return tuple(readable)
        found: dict[str, None] = {}
        for pattern in patterns:
            if pattern in branches or not _GLOBS & set(pattern):
                branch = self.branch(pattern)
                if branch.kind == "unsupported" and not (self._inner.has_text and branch.dtype in TEXT):
                    what = f"branch {pattern} {branch.problem}, but preprocessing names it"
                    raise UnsupportedBranchError(what, where=self.place)
                found[pattern] = None
            else:
                found.update(dict.fromkeys(name for name in readable if fnmatchcase(name, pattern)))
        return tuple(found)

    def _numbers(self) -> list[str]:
        return [name for name in self._given if self._inner.branches[name].kind != "unsupported"]

    def _known(self) -> dict[str, Branch]:
        """Branches that the function returns, found on the first events; files with the same branches have the same."""
        key = tuple((b.name, b.kind, b.dtype, b.width) for b in map(self._inner.branches.__getitem__, self._given))
        known = self._function.known.get(key)
        if isinstance(known, dict):
            return known
        size = min(_SAMPLE, self._entries)
        whole = self._sample(0, size)
        if size > 1:
            self._see_that_events_stand_alone(whole, size)
        while not self._function.vectorised and not len(whole.kept) and size < self._entries:
            start, size = size, min(4 * size, self._entries)  # which branches there are, only a record says
            whole = self._sample(start, size)
        made = {
            name: replace(branch, hidden=name in self._inner.branches and self._inner.branches[name].hidden)
            for name, branch in whole.branches.items()
        }
        if size:
            self._function.known[key] = made
        return made

    def _sample(self, start: int, stop: int) -> _Found:
        return self._call(self._inner.read(self._numbers(), start, stop), start, stop)

    def _see_that_events_stand_alone(self, whole: _Found, size: int) -> None:
        """Call the function on two halves: the results must be those of the whole."""
        middle = size // 2
        halves = [self._sample(0, middle), self._sample(middle, size)]
        odd: str | None = None
        if not np.array_equal(whole.kept, np.concatenate([halves[0].kept, halves[1].kept + middle])):
            odd = "selects other events"
        elif any(half.branches.keys() != whole.branches.keys() for half in halves):
            odd = "returns other branches"
        for name in () if odd else whole.branches:
            if not _same([half.columns[name] for half in halves], whole.columns[name]):
                odd = f"gives other values of {name}"
                break
        if odd:
            what = f"preprocessing {odd} when an event stands beside others"
            hint = "compute each event from itself alone, without random numbers: events are read in pieces of any size"
            raise PreprocessingError(what, where=self._function.path, hint=hint)

    def _call(self, numbers: Mapping[str, Column], start: int, stop: int) -> _Found:
        """Call the function on entries ``start`` to ``stop``, whose columns of numbers are given."""
        size, place = stop - start, self._where(start, stop)
        columns: dict[str, Column | Text] = {
            name: numbers[name] if name in numbers else self._inner.read_text(name, start, stop) for name in self._given
        }
        if self._function.vectorised:
            found = self._function(events_of(columns, self._inner.branches, size))
            fields, kept = left_of(found, size, place)
            made = {name: column_of(name, field) for name, field in fields.items()}
        else:
            made, kept = records_left(self._function, columns, self._inner.branches, size, place)
        for name, (branch, values) in made.items():
            before = columns.get(name)
            text = branch.dtype == "string" and isinstance(before, list)
            if text and isinstance(before, list) and [before[index] for index in kept.tolist()] != values:
                what = f"preprocessing changes the text of {name}"
                raise PreprocessingError(what, where=place, hint="return numbers: text cannot be changed")
        return _Found({n: b for n, (b, _) in made.items()}, {n: values for n, (_, values) in made.items()}, kept)

    def _typed(self, name: str, found: _Found, start: int, stop: int) -> Column:
        """The values of a branch, in the type that it has in the first events."""
        wanted, branch, values = self._made[name], found.branches.get(name), found.columns.get(name)
        if branch is None or values is None:
            what = f"preprocessing does not return the branch {name}, which it returned before"
            raise PreprocessingError(what, where=self._where(start, stop), hint="return the same branches always")
        castable = branch.kind == wanted.kind and np.can_cast(branch.dtype, wanted.dtype, "same_kind")
        if isinstance(values, list) or not castable:
            what = f"preprocessing returns {_shown(branch)} for {name}, and {_shown(wanted)} before"
            raise PreprocessingError(what, where=self._where(start, stop), hint="return one type always, e.g. floats")
        if isinstance(values, Jagged):
            return replace(values, content=values.content.astype(wanted.dtype, copy=False))
        return values.astype(wanted.dtype, copy=False)

    def _where(self, start: int, stop: int) -> str:
        return f"{self._function.path}, on entries {start} to {stop} of {self.path}"


def _shown(branch: Branch) -> str:
    return f"{branch.kind} {branch.dtype}"


def _blank(branch: Branch, size: int) -> Column:
    """A column that holds nothing: NaN where it can, else 0, and empty lists."""
    dtype = np.dtype(branch.dtype)
    if branch.kind == "jagged":
        return Jagged(np.zeros(size + 1, dtype=np.int64), np.empty(0, dtype=dtype))
    return np.full(size, np.nan if dtype.kind == "f" else 0, dtype=dtype)


def _spread(column: Column, kept: NDArray[np.int64], size: int, stored: Column | None) -> Column:
    """Put the values of the events that are kept to their places among all; the others have those of the file."""
    if len(kept) == size:
        return column
    if isinstance(column, Jagged):
        counts = np.zeros(size, dtype=np.int64)
        counts[kept] = column.counts
        return Jagged.from_counts(counts, column.values)
    result = _blank(Branch("", "flat", column.dtype.name), size)
    assert isinstance(result, np.ndarray)
    if isinstance(stored, np.ndarray) and np.can_cast(stored.dtype, column.dtype, "same_kind"):
        result[:] = stored
    result[kept] = column
    return result


def _same(halves: Sequence[Column | Text], whole: Column | Text) -> bool:
    """Whether two columns, one after the other, are a third; NaN is NaN, and the type does not matter."""
    if isinstance(whole, list):
        return [value for half in halves if isinstance(half, list) for value in half] == whole
    if isinstance(whole, Jagged):
        jagged = [half for half in halves if isinstance(half, Jagged)]
        counts = np.concatenate([half.counts for half in jagged])
        return np.array_equal(counts, whole.counts) and _same([half.values for half in jagged], whole.values)
    flat = [np.asarray(half, dtype=np.float64) for half in halves if isinstance(half, np.ndarray)]
    return np.array_equal(np.concatenate(flat), whole.astype(np.float64), equal_nan=True)
