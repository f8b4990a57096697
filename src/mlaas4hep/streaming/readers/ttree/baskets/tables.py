"""Which branches of a TTree we read ourselves, and the table of each: where its baskets are and what they hold.

These are branches of plain numbers, of fixed-size arrays of them, and of lists of them, all baskets of which are in the
file by themselves. All others are left to uproot.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.streaming.readers.root.arrays import is_number
from mlaas4hep.streaming.readers.ttree.arrays import interpretation_of
from mlaas4hep.streaming.readers.ttree.branches import Leaf
from mlaas4hep.streaming.readers.ttree.metadata import PlainBranch

__all__ = ["Stored", "Table", "stored_of", "table_of"]

_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Table:
    """A branch and its baskets.

    Attributes:
        dtype: of the numbers, native.
        stored: the same in the byte order of the file.
        jagged: lists of any length.
        header: bytes before each list.
        width: numbers an entry, if not jagged.
        fixed: fixed-size arrays, which are columns of lists of one length.
        seeks: where each basket begins in the file.
        sizes: bytes of each basket in the file.
        edges: first entry of each basket, and behind the last the number of entries.
    """

    dtype: np.dtype[Any]
    stored: np.dtype[Any]
    jagged: bool
    header: int
    width: int
    fixed: bool
    seeks: list[int]
    sizes: list[int]
    edges: list[int]

    def baskets(self, start: int, stop: int) -> range:
        """Return the baskets that have some of the entries."""
        if start >= stop:
            return range(0)
        return range(bisect_right(self.edges, start) - 1, bisect_left(self.edges, stop))


class Stored(NamedTuple):
    """What a tree says of a branch of plain numbers, whoever read it.

    Attributes:
        number: type of one number, in the byte order of the file.
        jagged: lists of any length.
        header: bytes before each list.
        width: numbers an entry, for fixed-size arrays; else None.
        entries: that the branch has.
        written: baskets; of the three arrays only this many count, and fewer if a seek of 0 comes before.
        seeks: where each basket begins in the file, an array of integers.
        sizes: bytes of each basket in the file, an array of integers.
        edges: first entry of each basket, and behind the last the number of entries, an array of integers.
    """

    number: np.dtype[Any]
    jagged: bool
    header: int
    width: int | None
    entries: int
    written: int
    seeks: NDArray[np.int64]
    sizes: NDArray[np.int32]
    edges: NDArray[np.int64]


def stored_of(leaf: Leaf) -> Stored | None:
    """Return what the tree says of a branch; None if it is not for us."""
    return _of_plain(leaf.tbranch) if isinstance(leaf.tbranch, PlainBranch) else _of_uproot(leaf)


def _of_plain(branch: PlainBranch) -> Stored:
    seeks = np.frombuffer(branch.seeks, dtype=">i8")
    return Stored(
        number=np.dtype(branch.type.dtype).newbyteorder(">"),
        jagged=branch.counter is not None,
        header=0,
        width=branch.type.width,
        entries=branch.entries,
        written=len(seeks),
        seeks=seeks,
        sizes=np.frombuffer(branch.sizes, dtype=">i4"),
        edges=np.frombuffer(branch.edges, dtype=">i8"),
    )


def _of_uproot(leaf: Leaf) -> Stored | None:
    tbranch = leaf.tbranch
    numbers, jagged, header = _interpretation(interpretation_of(tbranch))
    if numbers is None or leaf.part or len(tbranch.member("fLeaves")) != 1:
        return None
    stored, native = np.dtype(numbers.from_dtype), np.dtype(numbers.to_dtype)
    if stored.names or native != stored.newbyteorder("=") or (jagged and stored.shape):
        return None
    return Stored(
        number=stored.base,
        jagged=jagged,
        header=header,
        width=int(np.prod(stored.shape, dtype=np.int64)) if stored.shape else None,
        entries=int(tbranch.member("fEntries")),
        written=int(tbranch.member("fWriteBasket")),
        seeks=tbranch.member("fBasketSeek"),
        sizes=tbranch.member("fBasketBytes"),
        edges=tbranch.member("fBasketEntry"),
    )


def table_of(stored: Stored, entries: int) -> Table | None:
    """Return the table of a branch, or None if it is not for us.

    Args:
        stored: what the tree says of the branch.
        entries: of the tree; a branch that has fewer is for uproot, which says so.
    """
    number, seeks, edges, sizes = stored.number, stored.seeks, stored.edges, stored.sizes
    if not is_number(number) or number.itemsize not in _SIZES:
        return None
    if number.itemsize > 1 and number.newbyteorder(">") != number:
        return None
    filled = np.flatnonzero(seeks[: stored.written] == 0)
    count = int(filled[0]) if len(filled) else min(len(seeks), stored.written)
    if not 0 < count < len(edges) or count > len(sizes):
        return None
    edges = edges[: count + 1]
    whole = int(edges[-1]) == stored.entries == entries
    if not whole or edges[0] != 0 or np.any(np.diff(edges) < 0) or np.any(seeks[:count] <= 0):
        return None
    return Table(
        dtype=number.newbyteorder("="),
        stored=number,
        jagged=stored.jagged,
        header=stored.header,
        width=1 if stored.width is None else stored.width,
        fixed=stored.width is not None,
        seeks=seeks[:count].tolist(),
        sizes=sizes[:count].tolist(),
        edges=edges.tolist(),
    )


def _interpretation(interpretation: Any) -> tuple[Any, bool, int]:
    """The type of the numbers (None: not for us), whether there are lists of them, and the bytes before each list."""
    import uproot

    as_dtype, as_jagged = uproot.interpretation.numerical.AsDtype, uproot.interpretation.jagged.AsJagged
    if type(interpretation) is as_dtype:
        return interpretation, False, 0
    if type(interpretation) is as_jagged and type(interpretation.content) is as_dtype:
        return interpretation.content, True, int(interpretation.header_bytes)
    return None, False, 0
