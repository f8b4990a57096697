"""The name of a content: a digest of everything that decides it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["FORMAT", "Json", "check_key", "content_key"]

FORMAT = 1
"""Version of the files' format. Part of every key: releases with different formats share a folder in peace."""

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"

_KEY = re.compile(r"[0-9a-f]{16,128}")


def content_key(parts: Mapping[str, Json]) -> str:
    """Return the key of a content.

    Args:
        parts: everything that decides the content. Tuples count as lists; 1, 1.0 and true are different, so are -0.0
            and 0.0. The version of the format and this machine's byte order are added.

    Returns:
        40 hex digits.

    Raises:
        TypeError: a value that is not JSON, or a key that is not a string.
    """
    _check(parts)
    whole = {"format": FORMAT, "byteorder": sys.byteorder, "parts": parts}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=20).hexdigest()


def check_key(key: str) -> str:
    """Return the key, if it is one.

    Raises:
        ValueError: it is not 16 to 128 lower-case hex digits.
    """
    if not _KEY.fullmatch(key):
        msg = f"{key!r} is not a key: 16 to 128 lower-case hex digits are expected"
        raise ValueError(msg)
    return key


def _check(value: object) -> None:
    """`json` would turn the number 1 as a key into "1", and so mix up two contents."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                msg = f"keys of a content are strings, not {key!r}"
                raise TypeError(msg)
            _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
