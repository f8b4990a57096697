"""The compiled sweep over values that statistics are made of.

A float32 value has a bucket, the upper 17 bits of its pattern, and a rest, the lower 15. A sweep adds one word a value
to a table of all buckets: their number in the upper bits, the sum of the rests in the lower ones. Moments follow from
these sums and from the sums of squared rests, one for each exponent; then only the buckets that were used are visited
again and emptied. The table belongs to the thread and is empty between two calls.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.compiled import address_of_vector, carray, compiled, pointer

__all__ = ["BUCKETS", "EXPONENTS", "LOW_BITS", "SHIFT", "pieces", "sweep"]

Int64s = NDArray[np.int64]

BUCKETS = 1 << 17
SHIFT = 15
EXPONENTS = 256
LOW_BITS = 24
"""Squares are summed in two words: multiples of 2^24, and the rest below."""

MOST_VALUES = 1 << 22  # a call can count: 23 bits of a word
_BLOCK = MOST_VALUES // 2
_PAGE = 6
_COUNT = 40  # the bit where the number begins in a word
_LANES = 4  # sums of one exponent that do not wait for each other


class _Scratch(threading.local):
    """Tables of one thread; all zero between two calls, apart from `keys` and `counts`."""

    def __init__(self) -> None:
        self.cells = np.zeros(BUCKETS, dtype=np.int64)
        self.pages = np.zeros(BUCKETS >> _PAGE, dtype=np.uint8)
        self.squares = np.zeros(_LANES * EXPONENTS, dtype=np.int64)
        self.keys = np.empty(BUCKETS, dtype=np.int64)
        self.counts = np.empty(BUCKETS, dtype=np.int64)
        tables = (self.cells, self.pages, self.squares, self.keys, self.counts)
        self.addresses = [address_of_vector(table) for table in tables]


_SCRATCH = _Scratch()


def sweep(
    values: NDArray[np.float32], missing: NDArray[np.float32], ranges: Int64s
) -> tuple[tuple[int, int], tuple[float, float], Int64s, Int64s, Int64s]:
    """What the values in some ranges hold.

    Args:
        values: float32 [n].
        missing: values that mean missing, float32 [k].
        ranges: first and last + 1 position of each range, int64 [r, 2], at most `MOST_VALUES` positions in all.

    Returns:
        How many are missing (or NaN) and infinite; smallest and largest real value (inf, -inf without any; zero is
        0.0); buckets that occur, ascending; how often; sums by exponent, int64 [3, 256] (see `Moments`).

    Raises:
        IndexError: a range reaches beyond the values.
    """
    values = np.ascontiguousarray(values, dtype=np.float32)
    missing = np.ascontiguousarray(missing, dtype=np.float32)
    ranges = np.ascontiguousarray(ranges, dtype=np.int64).reshape(-1)
    sums = np.zeros(3 * EXPONENTS, dtype=np.int64)
    numbers = np.zeros(3, dtype=np.int64)
    extremes = np.array([np.inf, -np.inf], dtype=np.float32)
    arrays = (values, missing, ranges, sums, numbers, extremes)
    counted = len(values), len(missing), len(ranges) // 2
    failed = _sweep(*counted, *[address_of_vector(array) for array in arrays], *_SCRATCH.addresses)
    if failed:
        msg = f"a range of values reaches beyond the {len(values)} there are, or there are too many"
        raise IndexError(msg)
    absent, infinite, used = numbers.tolist()
    low, high = extremes.tolist()
    keys, counts = _SCRATCH.keys[:used].copy(), _SCRATCH.counts[:used].copy()
    return (absent, infinite), (low, high), keys, counts, sums.reshape(3, EXPONENTS)


def pieces(ranges: Int64s) -> list[Int64s]:
    """Ranges, int64 [r, 2], in groups that `sweep` can take; one that is too long is cut."""
    if int((ranges[:, 1] - ranges[:, 0]).sum()) <= MOST_VALUES:
        return [ranges]
    short = [(a, min(a + _BLOCK, stop)) for start, stop in ranges.tolist() for a in range(start, stop, _BLOCK)]
    cut = np.array(short, dtype=np.int64)
    group = np.cumsum(cut[:, 1] - cut[:, 0]) // _BLOCK
    return np.split(cut, np.flatnonzero(np.diff(group)) + 1)


@compiled
def _sweep(
    size: int, sentinels: int, runs: int, values: int, missing: int, ranges: int, sums: int, numbers: int,
    extremes: int, cells: int, pages: int, squares: int, keys: int, counts: int,
) -> int:  # fmt: skip
    """See `sweep`; 1 if the ranges are wrong, before anything is read."""
    run = carray(pointer(ranges), (runs, 2), np.int64)
    total = 0
    for r in range(runs):
        if run[r, 0] < 0 or run[r, 1] < run[r, 0] or run[r, 1] > size:
            return 1
        total += run[r, 1] - run[r, 0]
        if total > MOST_VALUES:
            return 1
    value = carray(pointer(values), (size,), np.float32)
    word = carray(pointer(values), (size,), np.uint32)
    absent = carray(pointer(missing), (sentinels,), np.float32)
    cell = carray(pointer(cells), (BUCKETS,), np.int64)
    page = carray(pointer(pages), (BUCKETS >> _PAGE,), np.uint8)
    square = carray(pointer(squares), (_LANES * EXPONENTS,), np.int64)
    found = carray(pointer(numbers), (3,), np.int64)
    extreme = carray(pointer(extremes), (2,), np.float32)
    low, high = extreme[0], extreme[1]
    n_missing = 0
    n_infinite = 0
    for r in range(runs):
        for i in range(run[r, 0], run[r, 1]):
            v = value[i]
            pattern = np.int64(word[i])
            size_of = pattern & 0x7FFFFFFF
            if size_of >= 0x7F800000:
                if size_of == 0x7F800000:
                    n_infinite += 1
                else:
                    n_missing += 1
                continue
            skip = False
            for s in range(sentinels):
                skip |= v == absent[s]
            if skip:
                n_missing += 1
                continue
            if size_of == 0:
                pattern = np.int64(0)
            low = v if v < low else low
            high = v if v > high else high
            key = pattern >> SHIFT
            rest = pattern & 0x7FFF
            cell[key] += (1 << _COUNT) + rest
            page[key >> _PAGE] = 1
            square[((i & 3) << 8) + ((key >> 8) & 0xFF)] += rest * rest
    extreme[0] = low + np.float32(0.0)
    extreme[1] = high + np.float32(0.0)
    found[0], found[1] = n_missing, n_infinite
    found[2] = _drain(cell, page, square, keys, counts, sums)
    return 0


@compiled
def _drain(cell: Int64s, page: NDArray[np.uint8], square: Int64s, keys: int, counts: int, sums: int) -> int:
    """Write keys, counts and sums, and empty the tables; number of keys."""
    bucket = carray(pointer(keys), (BUCKETS,), np.int64)
    often = carray(pointer(counts), (BUCKETS,), np.int64)
    total = carray(pointer(sums), (3, EXPONENTS), np.int64)
    used = 0
    for p in range(BUCKETS >> _PAGE):
        if page[p] == 0:
            continue
        page[p] = 0
        for key in range(p << _PAGE, (p + 1) << _PAGE):
            both = cell[key]
            if both == 0:
                continue
            cell[key] = 0
            n = both >> _COUNT
            rests = both & ((1 << _COUNT) - 1)
            bucket[used] = key
            often[used] = n
            used += 1
            exponent = (key >> 8) & 0xFF
            upper = key & 0xFF  # a mantissa is upper * 2^15 + rest
            if exponent == 0:
                exponent = 1
            else:
                upper |= 0x100
            mantissas = ((n * upper) << SHIFT) + rests
            total[0, exponent] += -mantissas if key >> 16 else mantissas
            twice = upper * rests  # times 2^16
            total[1, exponent] += ((n * upper * upper) << 6) + (twice >> 8)
            total[2, exponent] += (twice & 0xFF) << 16
    for lane in range(_LANES):
        for exponent in range(EXPONENTS):
            total[2, max(exponent, 1)] += square[(lane << 8) + exponent]
            square[(lane << 8) + exponent] = 0
    for exponent in range(EXPONENTS):
        total[1, exponent] += total[2, exponent] >> LOW_BITS
        total[2, exponent] &= (1 << LOW_BITS) - 1
    return used
