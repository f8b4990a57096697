"""The compiled loop over decompressed baskets: where each entry's list is, and lists without their headers.

It does not hold the GIL. The first call compiles it, or loads what was compiled before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.compiled import compiled

__all__ = ["BORDER", "ENTRIES", "FIRST", "KEY", "LAST", "PLACE", "find_lists"]

# Columns of the table of baskets that find_lists takes.
PLACE, BORDER, ENTRIES, FIRST, LAST, KEY = range(6)


@compiled
def _number(raw: NDArray[np.uint8], at: int) -> int:
    """The big-endian 32-bit number at a place that need not be aligned."""
    bits = (
        (np.uint32(raw[at]) << np.uint32(24))
        | (np.uint32(raw[at + 1]) << np.uint32(16))
        | (np.uint32(raw[at + 2]) << np.uint32(8))
        | np.uint32(raw[at + 3])
    )
    return np.int64(np.int32(bits))  # type: ignore[return-value]


@compiled
def find_lists(
    raw: NDArray[np.uint8],
    baskets: NDArray[np.int64],
    header: int,
    item: int,
    offsets: NDArray[np.int64],
    runs: NDArray[np.int64],
) -> int:
    """Return where the lists of some entries are, and how long each is.

    A basket holds its lists, up to its border, then the number of offsets, one offset an entry (from the beginning of
    the basket's key) and one more of no meaning. Lists with a header are moved together so that no header remains.

    Args:
        raw: decompressed baskets, each at a multiple of 8; changed if there are headers.
        baskets: int64 [B, 6]: place in raw, border, entries, first and last wanted entry, and length of the key.
        header: bytes before each list.
        item: bytes of a number: 1, 2, 4 or 8.
        offsets: int64 [entries + 1], written: where each list begins among all numbers.
        runs: int64 [B, 3], written: first number in raw, first number in the result, and how many.

    Returns:
        How many numbers there are; -1 if a basket contradicts itself.
    """
    total = 0
    row = 0
    offsets[0] = 0
    for b in range(len(baskets)):
        place, border, entries = baskets[b, PLACE], baskets[b, BORDER], baskets[b, ENTRIES]
        first, last, key = baskets[b, FIRST], baskets[b, LAST], baskets[b, KEY]
        table = place + border
        if _number(raw, table) != entries + 1:
            return -1
        table += 4
        begin = first if header == 0 else 0
        at = _number(raw, table + 4 * begin) - key
        if at < 0 or at > border or (header == 0 and at % item != 0) or (header != 0 and at != 0):
            return -1
        runs[b, 0] = (place + at) // item
        runs[b, 1] = total
        packed = place
        for i in range(begin, last):
            end = border if i + 1 == entries else _number(raw, table + 4 * (i + 1)) - key
            size = end - at - header
            if size < 0 or end > border or size % item != 0:
                return -1
            if i >= first:
                if header != 0:
                    for k in range(size):
                        raw[packed + k] = raw[place + at + header + k]
                    packed += size
                total += size // item
                row += 1
                offsets[row] = total
            at = end
        runs[b, 2] = total - runs[b, 1]
    return total
