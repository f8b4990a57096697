"""The sweep over values that float32 holds exactly: most branches, in a third of the time that float64 takes.

A float32 value has a bucket, the upper 17 bits of its pattern, and a rest, the lower 15; for all but subnormal numbers
these are the buckets of the same values as float64. One word a value goes into a table of all buckets: their number in
the upper bits, the sum of the rests in the lower ones. Moments follow from these sums and from the sums of squared
rests, one for each exponent. A bucket holds one value over and over if its rests sum up to that of its first value.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.compiled import address_of_vector, carray, compiled, pointer

__all__ = ["MOST_VALUES", "sweep_single"]

Int64s = NDArray[np.int64]

MOST_VALUES = 1 << 22
"""How many values a call can count: 23 bits of a word."""

_BUCKETS = 1 << 17
_SHIFT = 15
_REST = (1 << _SHIFT) - 1
_PAGE = 6
_PAGES = _BUCKETS >> _PAGE
_COUNT = 40  # the bit where the number begins in a word
_LANES = 4  # sums of one exponent that do not wait for each other
_EXPONENTS = 256
_BIAS = 1023 - 127  # exponent fields of float64 and of float32
_SUMS = 8
_LOW = 26


class _Scratch(threading.local):
    """Tables of one thread: the first four are all zero between two calls, the others hold what was found last."""

    def __init__(self) -> None:
        self.cells = np.zeros(_BUCKETS, dtype=np.int64)
        self.firsts = np.zeros(_BUCKETS, dtype=np.uint16)
        self.pages = np.zeros(_PAGES, dtype=np.uint8)
        self.squares = np.zeros(_LANES * _EXPONENTS, dtype=np.int64)
        self.found = np.empty(3 * _BUCKETS, dtype=np.int64)
        self.sums = np.empty(_EXPONENTS * _SUMS, dtype=np.int64)
        self.numbers = np.empty(6, dtype=np.int64)
        self.extremes = np.empty(2, dtype=np.float32)
        tables = (self.cells, self.firsts, self.pages, self.squares, self.found, self.sums, self.numbers, self.extremes)
        self.tables, self.rows = self.found.reshape(3, _BUCKETS), self.sums.reshape(_EXPONENTS, _SUMS)
        self.addresses = [address_of_vector(table) for table in tables]


_SCRATCH = _Scratch()


def sweep_single(
    values: NDArray[np.float32], missing: NDArray[np.float64], ranges: Int64s
) -> tuple[list[int], list[float], Int64s, int, Int64s] | None:
    """Return what the values in some ranges hold.

    Args:
        values: float32 [n], contiguous.
        missing: values that mean missing, float64 [k].
        ranges: first and last + 1 position of each range, one after the other, int64 [2 r], at most `MOST_VALUES`
            positions in all.

    Returns:
        How many are missing, infinite and real; smallest and largest; first keys, counts and whether all values are
        equal, by bucket, int64 [3, k]; exponent of the first row of sums; sums, int64 [e, 8]. See `Swept`. None where
        there is a subnormal number: sweep these values as float64.

    Raises:
        IndexError: a range reaches beyond the values, or there are too many.
    """
    values = _without(values, missing)
    places = [address_of_vector(array) for array in (values, ranges)]
    failed = _sweep(len(values), len(ranges) // 2, *places, *_SCRATCH.addresses)
    if failed == 1:
        msg = f"a range of values reaches beyond the {len(values)} there are, or there are too many"
        raise IndexError(msg)
    if failed:
        return None
    *numbers, buckets, lowest, highest = _SCRATCH.numbers.tolist()
    found, sums = _SCRATCH.tables[:, :buckets].copy(), _SCRATCH.rows[lowest : highest + 1].copy()
    return numbers, _SCRATCH.extremes.tolist(), found, lowest + _BIAS, sums


def _without(values: NDArray[np.float32], missing: NDArray[np.float64]) -> NDArray[np.float32]:
    """The same with NaN for every value that means missing, so that the loop need not compare."""
    with np.errstate(over="ignore"):
        single = missing.astype(np.float32)
    found = [values == value for value in single[single == missing]]
    return np.where(np.logical_or.reduce(found), np.float32(np.nan), values) if found else values


@compiled
def _sweep(
    size: int, runs: int, values: int, ranges: int, cells: int, firsts: int, pages: int, squares: int, out: int,
    sums: int, numbers: int, extremes: int,
) -> int:  # fmt: skip
    """See `sweep_single`; 1 if the ranges are wrong, before anything is read; 2 if a number is subnormal."""
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
    cell = carray(pointer(cells), (_BUCKETS,), np.int64)
    first = carray(pointer(firsts), (_BUCKETS,), np.uint16)
    page = carray(pointer(pages), (_PAGES,), np.uint8)
    square = carray(pointer(squares), (_LANES * _EXPONENTS,), np.int64)
    found = carray(pointer(numbers), (6,), np.int64)
    extreme = carray(pointer(extremes), (2,), np.float32)
    low, high = np.float32(np.inf), np.float32(-np.inf)
    n_missing = n_infinite = 0
    subnormal = np.int64(0)
    for r in range(runs):
        for i in range(np.uint64(run[r, 0]), np.uint64(run[r, 1])):  # unsigned: an index is not looked at for a sign
            v = value[i]
            pattern = np.int64(word[i])
            magnitude = pattern & 0x7FFFFFFF
            if magnitude >= 0x7F800000:
                n_infinite += int(magnitude == 0x7F800000)
                n_missing += int(magnitude != 0x7F800000)
                continue
            if magnitude < 0x00800000:
                subnormal |= magnitude
                pattern = np.int64(0)
                magnitude = np.int64(0)
            low = v if v < low else low
            high = v if v > high else high
            negative = -(pattern >> 31)  # 0, or all bits
            rest = magnitude & _REST
            c = np.uint64(((magnitude >> _SHIFT) ^ negative) + (_BUCKETS >> 1))
            cell[c] += (1 << _COUNT) + rest
            page[c >> np.uint64(_PAGE)] = 1
            before = _REST + 1 - (rest ^ (negative & _REST))  # the greater, the smaller the value
            first[c] = max(np.int64(first[c]), before)
            square[np.uint64(((np.int64(i) & 3) << 8) + (magnitude >> 23))] += rest * rest
    extreme[0] = low + np.float32(0.0)
    extreme[1] = high + np.float32(0.0)
    found[0], found[1], found[2] = n_missing, n_infinite, total - n_missing - n_infinite
    found[3], found[4], found[5] = _drain(cell, first, page, square, out, sums)
    return 2 if subnormal != 0 else 0


@compiled
def _drain(
    cell: Int64s, first: NDArray[np.uint16], page: NDArray[np.uint8], square: Int64s, out: int, sums: int
) -> tuple[int, int, int]:
    """Write first keys, counts, flags and sums, and empty the tables; number of buckets, first and last exponent."""
    found = carray(pointer(out), (3, _BUCKETS), np.int64)
    total = carray(pointer(sums), (_EXPONENTS, _SUMS), np.int64)
    total[:, :] = 0
    used = 0
    lowest, highest = _EXPONENTS, _EXPONENTS - 1
    for p in range(_PAGES):
        if page[p] == 0:
            continue
        page[p] = 0
        for c in range(p << _PAGE, (p + 1) << _PAGE):
            both = cell[c]
            if both == 0:
                continue
            negative = c < _BUCKETS >> 1
            flip = -1 if negative else 0
            rest = (_REST + 1 - np.int64(first[c])) ^ (flip & _REST)
            cell[c] = 0
            first[c] = 0
            n = both >> _COUNT
            rests = both & ((1 << _COUNT) - 1)
            bucket = (c - (_BUCKETS >> 1)) ^ flip
            e = bucket >> 8
            wide = 0 if e == 0 else ((bucket + (_BIAS << 8)) << 44) + (rest << 29)
            found[0, used] = wide ^ flip
            found[1, used] = n
            found[2, used] = int(rests == n * rest)
            used += 1
            if e == 0:
                continue
            if lowest == _EXPONENTS:
                lowest = highest = e
            lowest = min(lowest, e)
            highest = max(highest, e)
            upper = (bucket & 0xFF) | 0x100  # a mantissa of 24 bits is upper * 2^15 + rest, of 53 bits 2^29 times that
            mantissas = (((n * upper) << _SHIFT) + rests) << 2
            total[e, 0] += -mantissas if negative else mantissas
            twice = upper * rests
            total[e, 2] += ((n * upper * upper) << 8) + (twice >> 6)
            total[e, 3] += (twice & 63) << 20
    for e in range(_EXPONENTS):
        rest = square[e] + square[_EXPONENTS + e] + square[2 * _EXPONENTS + e] + square[3 * _EXPONENTS + e]
        total[e, 2] += rest >> (_LOW - 4)
        total[e, 3] += (rest & ((1 << (_LOW - 4)) - 1)) << 4
        total[e, 2] += total[e, 3] >> _LOW
        total[e, 3] &= (1 << _LOW) - 1
    square[:] = 0
    return used, lowest, highest
