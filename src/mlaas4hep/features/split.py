"""Which part of the split an event belongs to, from a hash of its identity and nothing else.

The result does not depend on chunk size, order of files, number of workers or machine. Every event is hashed by itself
with the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), chained over the columns of its identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.config.sections.events import Split

__all__ = ["PARTS", "TEST", "TRAIN", "VALIDATION", "identity_hash", "parts_of"]

TRAIN, VALIDATION, TEST = 0, 1, 2
PARTS = ("train", "validation", "test")

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_HALF = 2.0**63


def identity_hash(columns: Sequence[NDArray[Any]], seed: int, *, file: str | None = None) -> NDArray[np.uint64]:
    """Hash of each event's identity.

    Args:
        columns: the identifier branches, numbers or booleans [N] each; or the entry numbers, together with ``file``.
        seed: another seed gives independent hashes.
        file: identity of the file, where events are known by file and entry.

    Returns:
        uint64 [N].
    """
    start = f"{seed}" if file is None else f"{seed}:{file}"
    digest = hashlib.blake2b(start.encode(), digest_size=8).digest()
    state = np.full(len(columns[0]), np.uint64(int.from_bytes(digest, "little")))
    with np.errstate(over="ignore"):
        for column in columns:
            state = _mix(state + _GAMMA + _as_words(column))
    return state


def parts_of(hashes: NDArray[np.uint64], split: Split) -> NDArray[np.int8]:
    """TRAIN, VALIDATION or TEST for each event, int8 [N]."""
    uniform = (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
    parts = np.zeros(len(hashes), dtype=np.int8)
    parts[uniform < split.test + split.validation] = VALIDATION
    parts[uniform < split.test] = TEST
    return parts


def _as_words(column: NDArray[Any]) -> NDArray[np.uint64]:
    """Equal numbers give equal words, whatever type a file stored them in: whole numbers those of the integer."""
    if column.dtype.kind == "u":
        return column.astype(np.uint64)
    if column.dtype.kind != "f":
        return column.astype(np.int64).view(np.uint64)
    numbers = column.astype(np.float64) + 0.0  # one zero
    words = numbers.view(np.uint64).copy()
    signed = (np.trunc(numbers) == numbers) & (numbers >= -_HALF) & (numbers < _HALF)
    words[signed] = numbers[signed].astype(np.int64).view(np.uint64)
    large = (numbers >= _HALF) & (numbers < 2.0 * _HALF)
    words[large] = numbers[large].astype(np.uint64)
    return words


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * _MIX1
    x = (x ^ (x >> np.uint64(27))) * _MIX2
    return x ^ (x >> np.uint64(31))
