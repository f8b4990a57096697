"""Values as JSON bytes that depend on nothing but the values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from pydantic import BaseModel

__all__ = ["json_bytes", "plain"]


def json_bytes(value: object, *, sort: bool = True) -> bytes:
    """Return indented UTF-8 JSON with a final newline.

    Args:
        value: see `plain`.
        sort: sort the keys of mappings; false where their order carries meaning.
    """
    text = json.dumps(plain(value, sort=sort), indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors="surrogateescape") + b"\n"


def plain(value: object, *, sort: bool = True) -> Any:
    """Turn numpy numbers and arrays, paths, tuples, sets and pydantic models into what JSON knows.

    NaN becomes null, infinities the strings ``"Infinity"`` and ``"-Infinity"``. A model keeps the order of its fields,
    and leaves out what their `exclude_if` says.

    Raises:
        TypeError: something else is inside.
    """
    if isinstance(value, BaseModel):
        found = [(field, getattr(value, name), name) for name, field in type(value).model_fields.items()]
        return {
            field.alias or name: plain(item, sort=sort)
            for field, item, name in found
            if field.exclude_if is None or not field.exclude_if(item)
        }
    if isinstance(value, Mapping):
        items = [(str(key), plain(item, sort=sort)) for key, item in value.items()]
        return dict(sorted(items, key=lambda item: item[0]) if sort else items)
    if isinstance(value, set | frozenset):
        return sorted((plain(item, sort=sort) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [plain(item, sort=sort) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), sort=sort)
    return _scalar(value)


def _scalar(value: object) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, PurePath):
        return value.as_posix()
    msg = f"{type(value).__name__} cannot be written as JSON"
    raise TypeError(msg)
