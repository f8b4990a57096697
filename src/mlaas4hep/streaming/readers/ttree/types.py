"""What a branch of a TTree holds: numbers, lists of them, arrays of one size, or nothing that we can use."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from mlaas4hep.errors.text import first_line
from mlaas4hep.streaming.readers.base import Kind
from mlaas4hep.streaming.readers.root.arrays import from_awkward, is_number
from mlaas4hep.streaming.readers.root.objects import Type, members_of
from mlaas4hep.streaming.readers.ttree.arrays import part_of, read_branch
from mlaas4hep.streaming.readers.ttree.faults import fault_of
from mlaas4hep.streaming.readers.ttree.ranges import lost_range, put_right, ranged_type

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


def plain_type(leaf: str, title: str, length: int, *, unsigned: bool, counted: bool) -> Type | None:
    """Return what a branch of one leaf of numbers holds; None if it is for uproot to say.

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
    return Type((), kind, number, width)


def types_of(tbranch: Any, entries: int) -> list[Type]:
    """Return what a branch of a tree of this many entries holds; nothing for one that only groups others.

    What uproot cannot interpret, or cannot read although it interprets it, is unsupported; the rest of the tree is not
    concerned.
    """
    lost = False
    try:
        fault = fault_of(tbranch, entries)
        lost = fault is not None
        if fault is None:
            fault = lost_range(tbranch)
        if fault is None:
            plain = known_at_a_glance(tbranch)
            return [plain] if plain else interpreted(tbranch)
    except Exception as error:
        fault = f"uproot does not know how ({_words(error)})"
    return [Type((), "unsupported", _typename(tbranch), fault=fault, lost=lost)]


def known_at_a_glance(tbranch: Any) -> Type | None:
    """Return what a branch of one leaf holds, if it is known without uproot's full interpretation."""
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
    """Return what a branch of any kind holds, the members of objects one by one.

    Raises:
        Exception: uproot cannot interpret it.
    """
    import uproot

    if len(tbranch.branches) and not _counts_objects(tbranch):
        return []
    typename = _typename(tbranch)
    interpretation = content = put_right(tbranch) or tbranch.interpretation
    if isinstance(interpretation, uproot.interpretation.identify.UnknownInterpretation):
        return [Type((), "unsupported", typename, fault=first_line(interpretation))]
    if isinstance(interpretation, uproot.interpretation.jagged.AsJagged):
        content = interpretation.content
    objects = uproot.interpretation.objects
    if isinstance(content, objects.AsObjects | objects.AsStridedObjects):
        return _of_objects(tbranch, interpretation, typename)
    dtype = getattr(content, "to_dtype", None)
    return _of_dtype(dtype, typename, jagged=content is not interpretation)


def _counts_objects(tbranch: Any) -> bool:
    """Whether a branch that has others holds itself the number of objects, as that of a TClonesArray does."""
    if tbranch.top_level and tbranch.has_member("fClassName"):
        return str(tbranch.member("fClassName")) == "TClonesArray"
    streamer = tbranch.streamer
    return streamer is not None and str(streamer.typename) == "TClonesArray"


def _of_dtype(dtype: Any, typename: str, *, jagged: bool) -> list[Type]:
    if dtype is None:
        return [Type((), "unsupported", typename)]
    dtype = np.dtype(dtype)
    if dtype.names:
        return [_of_number((name,), dtype[name], typename, jagged=jagged) for name in dtype.names if name]
    return [_of_number((), dtype, typename, jagged=jagged)]


def _of_number(part: tuple[str, ...], dtype: np.dtype[Any], typename: str, *, jagged: bool) -> Type:
    if not is_number(dtype.base) or (jagged and dtype.shape):
        return Type(part, "unsupported", typename)
    if dtype.shape:
        return Type(part, "jagged", dtype.base.name, int(np.prod(dtype.shape)))
    return Type(part, "jagged" if jagged else "flat", dtype.name)


def _of_objects(tbranch: Any, interpretation: Any, typename: str) -> list[Type]:
    """Lists of numbers, however the C++ type is called, and members of objects; else one that is unsupported."""
    try:
        form = interpretation.awkward_form(tbranch.file)
    except Exception:
        return [Type((), "unsupported", typename)]
    found = members_of(form)
    if all(kind.kind == "unsupported" for kind in found):
        return [Type((), "unsupported", typename)]
    try:
        _try(tbranch, found)
    except Exception as error:
        return [Type((), "unsupported", typename, fault=f"uproot fails on its objects ({_words(error)})")]
    return found


def _try(tbranch: Any, kinds: Iterable[Type]) -> None:
    """Read the first and the last entry: whether uproot can read objects, only the objects tell."""
    entries = int(tbranch.num_entries)
    for entry in sorted({0, entries - 1} & set(range(entries))):
        array = read_branch(tbranch, entry, entry + 1)
        for kind in kinds:
            if kind.kind != "unsupported":
                from_awkward(part_of(array, kind.part))


def _words(error: Exception) -> str:
    """What went wrong: uproot's errors of objects put it behind the place."""
    message = getattr(error, "message", None)
    return message if isinstance(message, str) else first_line(error)


def _typename(tbranch: Any) -> str:
    try:
        name = tbranch.typename
    except Exception:
        name = None
    return str(name) if name else ranged_type(tbranch) or "an unknown type"
