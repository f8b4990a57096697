"""What every reader of a file format offers: the branches, the number of entries, and columns of any range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from mlaas4hep.features.columns import Column

__all__ = ["Branch", "Computed", "Kind", "Source"]

Kind = Literal["flat", "jagged", "unsupported"]


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of a tree or column of a table.

    Attributes:
        name: as users write it, e.g. ``Jet_pt`` (also for the field ``Jet.pt`` of an RNTuple).
        kind: flat (one number an event), jagged (a list an event; fixed-size arrays count as jagged), or unsupported.
        dtype: numpy name of the numbers, e.g. ``float32`` or ``bool``; for unsupported branches the type in words.
        width: size of a fixed-size array branch, else None.
        hidden: true for storage details, such as the counter of a jagged branch written alone: readable by name,
            never a feature unless asked for.
        stored: how the file calls it, if that is not the name.
        contested: the shorter name that it does not have because other branches have or would have it too.
        fault: why a branch that may hold numbers cannot be read; None: it can, or its type is the reason.
        lost: true if numbers are missing or damaged in the file, false if there is no way to read what it holds.
    """

    name: str
    kind: Kind
    dtype: str
    width: int | None = None
    hidden: bool = False
    stored: str | None = None
    contested: str | None = None
    fault: str | None = None
    lost: bool = False

    @property
    def why(self) -> str | None:
        """Why it cannot be a feature, a clause; None if it can."""
        if self.kind != "unsupported":
            return None
        return self.problem if self.fault else _why(self.dtype)

    @property
    def problem(self) -> str:
        """What is wrong with an unsupported branch, to be said after its name."""
        return f"cannot be read: {self.fault}" if self.fault else f"holds {self.dtype}, not numbers"


def _why(dtype: str) -> str:
    word = dtype.lower()
    lists = sum(word.count(sign) for sign in ("vector<", "rvec<", "list<", "[]"))
    if lists > 1 or "[][" in word or "nested" in word or "lists of array" in word:
        return "nested lists cannot be features"
    if "map<" in word or "set<" in word:
        return "maps and sets cannot be features"
    if "string" in word or "char*" in word:
        return "text cannot be a feature"
    return "objects cannot be features"


@dataclass(frozen=True, slots=True)
class Computed:
    """What the user's function ``preprocessing`` has to do with a file.

    Attributes:
        sha256: of the user's file, as hexadecimal digits.
        given: branches of the file that it is given; they are read with every range.
        names: branches that it returns.
        kept: the branch that is true for events that it returns.
    """

    sha256: str
    given: tuple[str, ...]
    names: tuple[str, ...]
    kept: str


class Source(Protocol):
    """One open file (and tree). Reading a range is a pure function of (file, range, branches).

    `mlaas4hep.streaming.readers.common.Reader` is the base of all readers, and has most of it.
    """

    @property
    def location(self) -> str:
        """Where the file is, as given by the user, with the redirector applied; it may hold a password."""

    @property
    def path(self) -> str:
        """The location as it may be shown and stored, without credentials."""

    @property
    def tree(self) -> str | None:
        """Name of the tree, None for tables."""

    @property
    def remark(self) -> str | None:
        """What was chosen to read it that a person may want to know, such as a separator; None: nothing."""

    @property
    def entries(self) -> int:
        """Number of entries."""

    @property
    def identity(self) -> str:
        """Identifies the content wherever the file lies: the file's UUID for ROOT, a digest for tables."""

    @property
    def branches(self) -> dict[str, Branch]:
        """All branches in the order of the file."""

    @property
    def computed(self) -> Computed | None:
        """The user's function that is applied to all that is read; None: there is none."""

    @property
    def sequential(self) -> bool:
        """Whether a range is cheap to read only after the one before it, as in text."""

    @property
    def clusters(self) -> tuple[int, ...]:
        """Entry numbers at which ranges are cheap to begin and end: ascending, first 0, last `entries`."""

    def read(self, branches: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        """Return columns of the entries ``start`` to ``stop``.

        Raises:
            BranchNotFoundError: a branch is not in the file.
            UnsupportedBranchError: a branch does not hold numbers.
            FileReadError: the file is damaged or cannot be reached.
        """

    def read_labels(self, branch: str, start: int, stop: int) -> NDArray[Any]:
        """Return one label an entry: numbers, or numpy text (``U``) for a text column of a table.

        Raises:
            BranchNotFoundError: no such branch.
            UnsupportedBranchError: neither one number nor one text an entry.
            FileReadError: a label is missing, or the file is damaged.
        """

    @property
    def has_text(self) -> bool:
        """Whether the format has columns of text, which `read_text` reads."""

    def read_text(self, branch: str, start: int, stop: int) -> list[str | None]:
        """Return one text an entry of a column of text, None where it is missing.

        Raises:
            UnsupportedBranchError: the column holds something else, or the format has no columns of text.
        """

    @property
    def compression(self) -> str | None:
        """Name of the compression that most of the data has, e.g. ``ZSTD(5)``; None: none, or not known."""

    reopened: tuple[Callable[..., Source], tuple[Any, ...]]
    """How the same file is opened again where the source is unpickled: a function and its arguments."""

    def close(self) -> None:
        """Release the file."""
