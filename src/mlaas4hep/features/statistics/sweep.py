"""The compiled sweep over values that statistics are made of.

A finite float64 has a key, an int64 that ascends with the value, and a bucket: the upper 20 bits of the key, which are
sign, exponent and 8 bits of the mantissa. One sweep counts the values of every bucket, keeps the smallest and the
largest key in it, and adds mantissas and their squares for each exponent in whole numbers. Only the buckets that were
used are visited again and emptied. The tables belong to the thread and are empty between two calls.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.compiled import address_of_vector, carray, compiled, pointer
from mlaas4hep.features.statistics.sweep_single import MOST_VALUES, sweep_single

__all__ = ["EXPONENTS", "SHIFT", "SUMS", "Swept", "keys_of", "sweep", "value_of"]

Int64s = NDArray[np.int64]

SHIFT = 44
"""A bucket is a key without this many bits."""

EXPONENTS = 2048
SUMS = 8
"""Words of a row of sums: see `Swept`."""

SPLIT = 27
LOW = 26
_CARRY = 256  # products of parts of mantissas that a word holds
_BUCKETS = 1 << (64 - SHIFT)
_PAGE = 6
_PAGES = _BUCKETS >> _PAGE
_WORD = 8  # pages that are looked at together
_INFINITE = 0x7FF << 52
FEATURES = (0, np.array(2.0**128 - 2.0**103).view(np.int64).item())
"""Patterns of absolute values that are finite as float32: the first, and the first that is not."""
LARGE = (FEATURES[1], _INFINITE)
"""Patterns of absolute values that are finite as float64 only."""

_SIGNLESS = (1 << 63) - 1


class _Scratch(threading.local):
    """Tables of one thread; count, smallest and largest key of a bucket stand side by side."""

    def __init__(self) -> None:
        self.cells = np.zeros(4 * _BUCKETS, dtype=np.int64)
        self.pages = np.zeros(_PAGES, dtype=np.uint8)
        self.sums = np.zeros(EXPONENTS * SUMS, dtype=np.int64)
        self.addresses = [address_of_vector(table) for table in (self.cells, self.pages, self.sums)]


_SCRATCH = _Scratch()


@dataclass(eq=False, slots=True)
class Swept:
    """What one sweep found.

    Attributes:
        missing: values that are NaN or mean missing.
        infinite: infinite values.
        other: finite values that were not asked for; nothing below is about them.
        real: those that were.
        rounded: those of them that float32 does not hold exactly.
        low, high: smallest and largest; inf and -inf without any. Zero is 0.0.
        first: smallest key of each bucket that occurs, ascending, int64 [k].
        counts: values in it, int64 [k].
        single: whether all of them are equal, bool [k].
        exponent: exponent field that row 0 of ``sums`` is of.
        sums: int64 [e, 8]. A mantissa is ``a * 2^27 + b``. Sums of a and b, with sign; of a^2, a * b and b^2, each as
            multiples of 2^26 and the rest, which is less than that.
    """

    missing: int
    infinite: int
    other: int
    real: int
    rounded: int
    low: float
    high: float
    first: Int64s
    counts: Int64s
    single: NDArray[np.bool_]
    exponent: int
    sums: Int64s


def sweep(
    values: NDArray[np.float64] | NDArray[np.float32],
    missing: NDArray[np.float64],
    ranges: Int64s,
    wanted: tuple[int, int] = FEATURES,
) -> Swept:
    """Return what the values in some ranges hold.

    Args:
        values: float64 or float32 [n], contiguous.
        missing: values that mean missing, float64 [k].
        ranges: first and last + 1 position of each range, int64 [r, 2].
        wanted: `FEATURES` or `LARGE`.

    Raises:
        IndexError: a range reaches beyond the values.
    """
    ranges = np.ascontiguousarray(ranges, dtype=np.int64).reshape(-1)
    if values.dtype == np.float32:
        swept = _narrow(values, missing, ranges) if wanted == FEATURES else None
        if swept is not None:
            return swept
    wide = _wide(values)
    numbers = np.zeros(8, dtype=np.int64)
    extremes = np.array([np.inf, -np.inf])
    arrays = (wide, missing, ranges, numbers, extremes)
    counted = len(values), len(missing), len(ranges) // 2
    if _sweep(*counted, *wanted, *[address_of_vector(array) for array in arrays], *_SCRATCH.addresses):
        msg = f"a range of values reaches beyond the {len(values)} there are"
        raise IndexError(msg)
    absent, infinite, other, real, rounded, buckets, lowest, highest = numbers.tolist()
    found = np.empty((3, buckets), dtype=np.int64)
    exponents = max(highest - lowest + 1, 0)
    sums = np.empty((exponents, SUMS), dtype=np.int64)
    _drain(address_of_vector(found.reshape(-1)), buckets, address_of_vector(sums.reshape(-1)), lowest, exponents,
           *_SCRATCH.addresses)  # fmt: skip
    low, high = extremes.tolist()
    first, counts, single = found
    return Swept(absent, infinite, other, real, rounded, low, high, first, counts, single != 0, lowest, sums)


def _narrow(values: NDArray[Any], missing: NDArray[np.float64], ranges: Int64s) -> Swept | None:
    """See `sweep`; None where it has to be done as float64."""
    if len(values) > MOST_VALUES:
        return None
    swept = sweep_single(values, missing, ranges)
    if swept is None:
        return None
    (absent, infinite, real), (low, high), (first, counts, single), exponent, sums = swept
    return Swept(absent, infinite, 0, real, 0, low, high, first, counts, single != 0, exponent, sums)


def keys_of(
    values: NDArray[Any], missing: NDArray[np.float64], ranges: Int64s, real: int, wanted: tuple[int, int] = FEATURES
) -> Int64s:
    """Keys of the values that `sweep` calls real, of which there are this many, int64 [real], in their order."""
    values = _wide(values)
    keys = np.empty(real, dtype=np.int64)
    ranges = np.ascontiguousarray(ranges, dtype=np.int64).reshape(-1)
    places = [address_of_vector(array) for array in (values, missing, ranges, keys)]
    _keys(len(values), len(missing), len(ranges) // 2, *wanted, *places)
    return keys


def _wide(values: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return values.astype(np.float64, copy=False)


def value_of(key: int) -> float:
    """Return the value of a key."""
    return float(np.array(key if key >= 0 else key ^ _SIGNLESS, dtype=np.int64).view(np.float64))


@compiled
def _sweep(
    size: int, sentinels: int, runs: int, begin: int, end: int, values: int, missing: int, ranges: int, numbers: int,
    extremes: int, cells: int, pages: int, sums: int,
) -> int:  # fmt: skip
    """See `sweep`; 1 if the ranges are wrong, before anything is read."""
    run = carray(pointer(ranges), (runs, 2), np.int64)
    for r in range(runs):
        if run[r, 0] < 0 or run[r, 1] < run[r, 0] or run[r, 1] > size:
            return 1
    value = carray(pointer(values), (size,), np.float64)
    word = carray(pointer(values), (size,), np.int64)
    absent = carray(pointer(missing), (sentinels,), np.float64)
    cell = carray(pointer(cells), (_BUCKETS, 4), np.int64)
    page = carray(pointer(pages), (_PAGES,), np.uint8)
    total = carray(pointer(sums), (EXPONENTS, SUMS), np.int64)
    found = carray(pointer(numbers), (8,), np.int64)
    extreme = carray(pointer(extremes), (2,), np.float64)
    low, high = extreme[0], extreme[1]
    n_missing = n_infinite = n_other = n_real = n_rounded = n_buckets = 0
    lowest, highest = EXPONENTS, 0
    for r in range(runs):
        for block in range(run[r, 0], run[r, 1], _CARRY):
            # Unsigned: an index is not looked at for a sign.
            for i in range(np.uint64(block), np.uint64(min(block + _CARRY, run[r, 1]))):
                v = value[i]
                bits = word[i]
                magnitude = bits & _SIGNLESS
                skip = magnitude > _INFINITE
                for s in range(sentinels):
                    skip |= v == absent[s]
                if skip:
                    n_missing += 1
                    continue
                if magnitude >= end or magnitude < begin:
                    if magnitude == _INFINITE:
                        n_infinite += 1
                    else:
                        n_other += 1
                    continue
                n_real += 1
                if np.float64(np.float32(v)) != v:
                    n_rounded += 1
                low = v if v < low else low
                high = v if v > high else high
                key = bits if bits > 0 else (bits ^ _SIGNLESS if magnitude != 0 else 0)
                c = np.uint64((key >> SHIFT) + (_BUCKETS >> 1))
                if cell[c, 0] == 0:
                    n_buckets += 1
                    page[c >> np.uint64(_PAGE)] = 1
                    cell[c, 1] = key
                    cell[c, 2] = key
                elif key < cell[c, 1]:
                    cell[c, 1] = key
                elif key > cell[c, 2]:
                    cell[c, 2] = key
                cell[c, 0] += 1
                if magnitude == 0:
                    continue
                exponent = max(magnitude >> 52, 1)
                mantissa = magnitude - ((exponent - 1) << 52)
                lowest = min(lowest, exponent)
                highest = max(highest, exponent)
                e = np.uint64(exponent)
                a = mantissa >> SPLIT
                b = mantissa & ((1 << SPLIT) - 1)
                total[e, 0] += -a if bits < 0 else a
                total[e, 3] += a * a
                if b != 0:
                    total[e, 1] += -b if bits < 0 else b
                    total[e, 5] += a * b
                    total[e, 7] += b * b
            for row in range(lowest, highest + 1):
                for k in range(2, SUMS, 2):
                    total[row, k] += total[row, k + 1] >> LOW
                    total[row, k + 1] &= (1 << LOW) - 1
    extreme[0] = low + 0.0
    extreme[1] = high + 0.0
    found[0], found[1], found[2], found[3], found[4] = n_missing, n_infinite, n_other, n_real, n_rounded
    found[5], found[6], found[7] = n_buckets, lowest, highest
    return 0


@compiled
def _drain(out: int, buckets: int, rows: int, lowest: int, exponents: int, cells: int, pages: int, sums: int) -> None:
    """Write first keys, counts and flags of the used buckets, int64 [3, buckets], and the sums; empty the tables."""
    found = carray(pointer(out), (3, buckets), np.int64)
    row = carray(pointer(rows), (exponents, SUMS), np.int64)
    cell = carray(pointer(cells), (_BUCKETS, 4), np.int64)
    page = carray(pointer(pages), (_PAGES,), np.uint8)
    total = carray(pointer(sums), (EXPONENTS, SUMS), np.int64)
    word = carray(pointer(pages), (_PAGES // _WORD,), np.int64)
    used = 0
    for w in range(_PAGES // _WORD):
        if word[w] == 0:
            continue
        for p in range(w * _WORD, (w + 1) * _WORD):
            if page[p] == 0:
                continue
            page[p] = 0
            for c in range(p << _PAGE, (p + 1) << _PAGE):
                if cell[c, 0] != 0:
                    found[0, used] = cell[c, 1]
                    found[1, used] = cell[c, 0]
                    found[2, used] = int(cell[c, 1] == cell[c, 2])
                    used += 1
                    cell[c, 0] = 0
    for e in range(exponents):
        for k in range(SUMS):
            row[e, k] = total[lowest + e, k]
            total[lowest + e, k] = 0
        for k in range(2, SUMS, 2):
            row[e, k] += row[e, k + 1] >> LOW
            row[e, k + 1] &= (1 << LOW) - 1


@compiled
def _keys(
    size: int, sentinels: int, runs: int, begin: int, end: int, values: int, missing: int, ranges: int, keys: int
) -> int:
    """See `keys_of`; how many there are. The ranges were checked before."""
    run = carray(pointer(ranges), (runs, 2), np.int64)
    value = carray(pointer(values), (size,), np.float64)
    word = carray(pointer(values), (size,), np.int64)
    absent = carray(pointer(missing), (sentinels,), np.float64)
    key = carray(pointer(keys), (size,), np.int64)
    used = 0
    for r in range(runs):
        for i in range(run[r, 0], run[r, 1]):
            v = value[i]
            bits = word[i]
            magnitude = bits & _SIGNLESS
            skip = magnitude >= end or magnitude < begin
            for s in range(sentinels):
                skip |= v == absent[s]
            if not skip:
                key[used] = bits if bits > 0 else (bits ^ _SIGNLESS if magnitude != 0 else 0)
                used += 1
    return used
