"""Which branches of a TTree we read ourselves, and the table of each: where its baskets are and what they hold.

These are branches of plain numbers, of fixed-size arrays of them, and of lists of them, all baskets of which are in the
file by themselves. All others are left to uproot.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlaas4hep.streaming.readers.arrays import is_number
from mlaas4hep.streaming.readers.ttree_branches import Leaf

__all__ = ["Table", "table_of"]

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
        """The baskets that have some of the entries."""
        if start >= stop:
            return range(0)
        return range(bisect_right(self.edges, start) - 1, bisect_left(self.edges, stop))


def table_of(leaf: Leaf, entries: int) -> Table | None:
    """The table of a branch, or None if it is not for us.

    Args:
        leaf: the branch.
        entries: of the tree; a branch that has fewer is for uproot, which says so.
    """
    tbranch = leaf.tbranch
    numbers, jagged, header = _interpretation(tbranch.interpretation)
    if numbers is None or leaf.part is not None or len(tbranch.member("fLeaves")) != 1:
        return None
    stored, native = np.dtype(numbers.from_dtype), np.dtype(numbers.to_dtype)
    base = stored.base
    if stored.names or not is_number(base) or base.itemsize not in _SIZES or native != stored.newbyteorder("="):
        return None
    if (base.itemsize > 1 and base.newbyteorder(">") != base) or (jagged and stored.shape):
        return None
    seeks, edges = tbranch.member("fBasketSeek"), tbranch.member("fBasketEntry")
    sizes = tbranch.member("fBasketBytes")
    filled = np.flatnonzero(seeks[: int(tbranch.member("fWriteBasket"))] == 0)
    count = int(filled[0]) if len(filled) else min(len(seeks), int(tbranch.member("fWriteBasket")))
    if not 0 < count < len(edges) or count > len(sizes):
        return None
    edges = edges[: count + 1]
    whole = int(edges[-1]) == int(tbranch.member("fEntries")) == entries
    if not whole or edges[0] != 0 or np.any(np.diff(edges) < 0) or np.any(seeks[:count] <= 0):
        return None
    return Table(
        dtype=base.newbyteorder("="),
        stored=base,
        jagged=jagged,
        header=header,
        width=int(np.prod(stored.shape, dtype=np.int64)),
        fixed=bool(stored.shape),
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
