"""What all readers share: the list of branches, checks of names and ranges, and one-line texts of foreign errors."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from numpy.typing import NDArray

from mlaas4hep.errors import BranchNotFoundError, UnsupportedBranchError, without_credentials
from mlaas4hep.errors.findings import few
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.base import Branch, Computed, Source

__all__ = ["TEXT", "Reader", "clusters_of"]

TEXT = ("string", "large_string")
"""Types of columns of text, in the words of `Branch`."""


class Reader:
    """Base of all readers; `Source` says what its members mean."""

    _path: str
    _tree: str | None = None
    _entries: int
    _identity: str
    _branches: dict[str, Branch]
    _clusters: tuple[int, ...]
    _compression: str | None = None
    _remark: str | None = None
    _computed: Computed | None = None
    _has_text: bool = False
    _sequential: bool = False
    reopened: tuple[Callable[..., Source], tuple[Any, ...]]

    def __reduce__(self) -> tuple[Callable[..., Source], tuple[Any, ...]]:
        return self.reopened

    @property
    def location(self) -> str:
        """See `Source`."""
        return self._path

    @property
    def path(self) -> str:
        """See `Source`."""
        return without_credentials(self._path)

    @property
    def tree(self) -> str | None:
        """See `Source`."""
        return self._tree

    @property
    def entries(self) -> int:
        """See `Source`."""
        return self._entries

    @property
    def identity(self) -> str:
        """See `Source`."""
        return self._identity

    @property
    def branches(self) -> dict[str, Branch]:
        """See `Source`."""
        return self._branches

    @property
    def clusters(self) -> tuple[int, ...]:
        """See `Source`."""
        return self._clusters

    @property
    def computed(self) -> Computed | None:
        """See `Source`."""
        return self._computed

    @property
    def has_text(self) -> bool:
        """See `Source`."""
        return self._has_text

    @property
    def sequential(self) -> bool:
        """See `Source`."""
        return self._sequential

    @property
    def compression(self) -> str | None:
        """See `Source`."""
        return self._compression

    @property
    def remark(self) -> str | None:
        """See `Source`."""
        return self._remark

    @property
    def place(self) -> str:
        """File and tree, for messages."""
        return f"{self._path}:{self._tree}" if self._tree else self._path

    def read(self, branches: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        """See `Source`."""
        for name in branches:
            branch = self.branch(name)
            if branch.kind == "unsupported":
                what = branch.problem if branch.fault else f"holds {branch.dtype}, which cannot be a feature"
                hint = "leave it out" if branch.fault else "only numbers, booleans and lists of them can; leave it out"
                raise UnsupportedBranchError(f"branch {name} {what}", where=self.place, hint=hint)
        self.check_range(start, stop)
        columns = self._read(list(dict.fromkeys(branches)), start, stop)
        return {name: columns[name] for name in branches}

    def read_labels(self, branch: str, start: int, stop: int) -> NDArray[Any]:
        """See `Source`."""
        column = self.read([branch], start, stop)[branch]
        if isinstance(column, Jagged):
            raise UnsupportedBranchError(
                f"branch {branch} holds a list an entry, which cannot be a label", where=self.place
            )
        return column

    def read_text(self, branch: str, start: int, stop: int) -> list[str | None]:
        """See `Source`."""
        found = self.branch(branch)
        if found.dtype not in TEXT or found.fault:
            raise UnsupportedBranchError(f"branch {branch} holds {found.dtype}, not text", where=self.place)
        self.check_range(start, stop)
        return self._text(branch, start, stop)

    def _text(self, branch: str, start: int, stop: int) -> list[str | None]:
        """Read a column whose type is ``string``; formats that have such columns override it."""
        del start, stop
        raise UnsupportedBranchError(f"text of branch {branch} cannot be read", where=self.place)

    def branch(self, name: str) -> Branch:
        """Return the branch of this name.

        Raises:
            BranchNotFoundError: there is none; the hint has similar names.
        """
        found = self._branches.get(name)
        if found is None:
            near = difflib.get_close_matches(name, list(self._branches), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {few(list(self._branches))}"
            raise BranchNotFoundError(f"no branch {name}", where=self.place, hint=hint)
        return found

    def check_range(self, start: int, stop: int) -> None:
        """Refuse a range that is not within the entries (a mistake of the caller)."""
        if not 0 <= start <= stop <= self._entries:
            msg = f"entries {start} to {stop} are not within 0 to {self._entries} of {self.place}"
            raise ValueError(msg)

    def close(self) -> None:
        """See `Source`."""

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        raise NotImplementedError


def clusters_of(bounds: Iterable[int], entries: int) -> tuple[int, ...]:
    """Entry numbers in ascending order, each once, with 0 and ``entries``; those outside are left out."""
    return tuple(sorted({0, entries} | {int(bound) for bound in bounds if 0 < bound < entries}))
