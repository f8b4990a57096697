"""Telling a pickle by its opcodes, without running any."""

from __future__ import annotations

import pickletools
from typing import Final

from mlaas4hep.frameworks.recognition.wire import Bytes

__all__ = ["PICKLE_NAMES", "is_pickle"]

PICKLE_NAMES: Final = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"})
COMPRESSED: Final = (b"ZF", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
"""Headers of joblib's compressed pickles."""
SMALL: Final = 2**20


def is_pickle(data: Bytes) -> bool:
    """Return true for pickles of all protocols, also joblib's and those that torch wrote before it used zip files."""
    head = bytes(data[:2])
    if head[:1] == b"\x80" and len(head) == 2 and 2 <= head[1] <= 5:
        return True
    if head.startswith(COMPRESSED):
        return True
    if len(data) > SMALL:
        return False
    try:
        operations = sum(1 for _ in pickletools.genops(bytes(data)))
    except (ValueError, KeyError, IndexError, UnicodeError, OverflowError):
        return False
    return operations > 1
