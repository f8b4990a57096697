"""Tables of counts: sorted numbers and how often each occurs, made and merged by compiled loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.features.compiled import address_of_vector, carray, compiled, pointer

__all__ = ["count_small", "merge_counts"]

Int64s = NDArray[np.int64]

_SMALL = 1 << 10
_LANES = 4  # counters of one number that do not wait for each other


def merge_counts(keys: Int64s, counts: Int64s, others: Int64s, more: Int64s) -> tuple[Int64s, Int64s]:
    """Sum of two tables of counts, each with ascending keys (int64 [n], int64 [n]); the same form."""
    size = len(keys) + len(others)
    merged, sums = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    arrays = [np.ascontiguousarray(array, dtype=np.int64) for array in (keys, counts, others, more)]
    places = [address_of_vector(array) for array in (*arrays, merged, sums)]
    used = _merge(len(keys), len(others), *places)
    return (merged, sums) if used == size else (merged[:used].copy(), sums[:used].copy())


def count_small(numbers: Int64s) -> tuple[Int64s, Int64s]:
    """Return which of some numbers, int64 [n], not negative, occur, ascending, and how often."""
    numbers = np.ascontiguousarray(numbers, dtype=np.int64)
    small = np.zeros(_LANES * _SMALL, dtype=np.int64)
    keys, counts = np.empty(_SMALL, dtype=np.int64), np.empty(_SMALL, dtype=np.int64)
    places = [address_of_vector(array) for array in (numbers, small, keys, counts)]
    used = _count(len(numbers), *places)
    if used < 0:
        large, often = np.unique(numbers, return_counts=True)
        return large.astype(np.int64), often.astype(np.int64)
    return keys[:used].copy(), counts[:used].copy()


@compiled
def _merge(size: int, other_size: int, keys: int, counts: int, others: int, more: int, merged: int, sums: int) -> int:
    """See `merge_counts`; length of the result."""
    a = carray(pointer(keys), (size,), np.int64)
    b = carray(pointer(others), (other_size,), np.int64)
    x = carray(pointer(counts), (size,), np.int64)
    y = carray(pointer(more), (other_size,), np.int64)
    out = carray(pointer(merged), (size + other_size,), np.int64)
    sum_of = carray(pointer(sums), (size + other_size,), np.int64)
    i = j = used = 0
    while i < size and j < other_size:
        first, second = a[i], b[j]
        left, right = int(first <= second), int(second <= first)
        out[used] = min(first, second)
        sum_of[used] = x[i] * left + y[j] * right
        i += left
        j += right
        used += 1
    while i < size:
        out[used], sum_of[used] = a[i], x[i]
        i += 1
        used += 1
    while j < other_size:
        out[used], sum_of[used] = b[j], y[j]
        j += 1
        used += 1
    return used


@compiled
def _count(size: int, numbers: int, small: int, keys: int, counts: int) -> int:
    """See `count_small`; number of keys, -1 if a number is too large or negative."""
    number = carray(pointer(numbers), (size,), np.int64)
    often = carray(pointer(small), (_LANES, _SMALL), np.int64)
    key = carray(pointer(keys), (_SMALL,), np.int64)
    count = carray(pointer(counts), (_SMALL,), np.int64)
    largest = -1
    for i in range(size):
        if number[i] < 0 or number[i] >= _SMALL:
            largest = _SMALL
            break
        largest = max(largest, number[i])
    if largest == _SMALL:
        return -1
    for i in range(size):
        often[i & 3, number[i]] += 1
    used = 0
    for k in range(largest + 1):
        n = often[0, k] + often[1, k] + often[2, k] + often[3, k]
        if n != 0:
            key[used], count[used] = k, n
            used += 1
    return used
