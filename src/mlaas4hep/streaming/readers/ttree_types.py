"""What a branch of a TTree holds: numbers, lists of them, arrays of one size, or nothing that we can use."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlaas4hep.streaming.readers.arrays import is_number
from mlaas4hep.streaming.readers.base import Kind

__all__ = ["Type", "interpreted", "known_at_a_glance", "plain_type", "types_of"]

_NUMBERS = {
    "TLeafO": "bool",
    "TLeafB": "int8",
    "TLeafS": "int16",
    "TLeafI": "int32",
    "TLeafL": "int64",
    "TLeafG": "int64",
    "TLeafF": "float32",
    "TLeafD": "float64",
}
_COUNTED = re.compile(r"[A-Za-z_][^\[\]]*\]")
_FIXED = re.compile(r"(?:[1-9][0-9]*\]\[)*[1-9][0-9]*\]")


@dataclass(frozen=True, slots=True)
class Type:
    """What a branch, or one of its leaves, holds; the last three as in `Branch`."""

    part: str | None
    kind: Kind
    dtype: str
    width: int | None = None


def plain_type(leaf: str, title: str, length: int, *, unsigned: bool, counted: bool) -> Type | None:
    """What a branch of one leaf of numbers holds; None if it is for uproot to say.

    Args:
        leaf: class of the leaf.
        title: of the leaf, with the sizes of arrays.
        length: how many numbers, for each that is counted if another leaf counts.
        unsigned: as the leaf says.
        counted: whether another leaf counts.
    """
    number = _NUMBERS.get(leaf)
    if number is None:
        return None
    if unsigned and number.startswith("int"):
        number = f"u{number}"
    name, _, sizes = title.partition("[")
    if not sizes and length == 1 and not counted:
        return _type("flat", number, None)
    if counted:
        return _type("jagged", number, None) if length == 1 and _COUNTED.fullmatch(sizes) else None
    if "]" in name or not _FIXED.fullmatch(sizes) or length != math.prod(map(int, sizes[:-1].split("]["))):
        return None
    return _type("jagged", number, length)


@functools.lru_cache
def _type(kind: Kind, number: str, width: int | None) -> Type:
    """One object for many branches."""
    return Type(None, kind, number, width)


def types_of(tbranch: Any) -> list[Type]:
    """What a branch holds; nothing for one that only groups others."""
    plain = known_at_a_glance(tbranch)
    return [plain] if plain else interpreted(tbranch)


def known_at_a_glance(tbranch: Any) -> Type | None:
    """What a branch of one leaf holds, if it is known without uproot's full interpretation."""
    if tbranch.classname != "TBranch" or len(tbranch.member("fLeaves")) != 1 or len(tbranch.member("fBranches")):
        return None
    leaf = tbranch.member("fLeaves")[0]
    if leaf.classname not in _NUMBERS:
        return None
    return plain_type(
        leaf.classname,
        leaf.member("fTitle"),
        leaf.member("fLen"),
        unsigned=leaf.member("fIsUnsigned"),
        counted=leaf.member("fLeafCount") is not None,
    )


def interpreted(tbranch: Any) -> list[Type]:
    """What a branch of any kind holds."""
    import uproot

    interpretation = tbranch.interpretation
    if isinstance(interpretation, uproot.interpretation.grouped.AsGrouped):
        return []
    typename = _typename(tbranch)
    if isinstance(interpretation, uproot.interpretation.jagged.AsJagged):
        return _of_dtype(getattr(interpretation.content, "to_dtype", None), typename, jagged=True)
    if isinstance(interpretation, uproot.interpretation.numerical.Numerical):
        return _of_dtype(getattr(interpretation, "to_dtype", None), typename, jagged=False)
    return [_of_object(tbranch, interpretation, typename)]


def _of_dtype(dtype: Any, typename: str, *, jagged: bool) -> list[Type]:
    if dtype is None:
        return [Type(None, "unsupported", typename)]
    dtype = np.dtype(dtype)
    if dtype.names:
        parts = [(name, dtype[name]) for name in dtype.names if name]
        return [_of_number(part, field, typename, jagged=jagged) for part, field in parts]
    return [_of_number(None, dtype, typename, jagged=jagged)]


def _of_number(part: str | None, dtype: np.dtype[Any], typename: str, *, jagged: bool) -> Type:
    if not is_number(dtype.base) or (jagged and dtype.shape):
        return Type(part, "unsupported", typename)
    if dtype.shape:
        return Type(part, "jagged", dtype.base.name, int(np.prod(dtype.shape)))
    return Type(part, "jagged" if jagged else "flat", dtype.name)


def _of_object(tbranch: Any, interpretation: Any, typename: str) -> Type:
    """A list of numbers, however the C++ type is called; else unsupported."""
    import uproot

    if isinstance(interpretation, uproot.interpretation.objects.AsObjects):
        try:
            form = interpretation.awkward_form(tbranch.file)
        except Exception:
            return Type(None, "unsupported", typename)
        if form.is_list and form.parameter("__array__") is None and form.content.is_numpy:
            dtype = np.dtype(form.content.primitive)
            if is_number(dtype) and not form.content.inner_shape and form.content.parameter("__array__") is None:
                return Type(None, "jagged", dtype.name)
    return Type(None, "unsupported", typename)


def _typename(tbranch: Any) -> str:
    try:
        name = tbranch.typename
    except Exception:
        name = None
    return str(name) if name else "an unknown type"
