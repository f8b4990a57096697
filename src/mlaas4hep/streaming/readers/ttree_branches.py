"""The branches of a TTree as users see them: names, kinds, and which are mere counters.

Names: the last part of a branch's path, with underscores for dots and without the size of an array (``Jet/Jet.PT`` is
``Jet_PT``, ``evt/Array[10]`` is ``Array``). If two branches would then have one name, the whole path is used
(``evt/P3/P3.Px`` is ``evt_P3_P3_Px``). The leaves of a branch with several leaves are named ``branch_leaf``.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlaas4hep.streaming.readers.arrays import is_number
from mlaas4hep.streaming.readers.base import Branch, Kind

__all__ = ["Leaf", "leaves_of"]


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


@dataclass(frozen=True, slots=True)
class Leaf:
    """A branch for users, and where it is stored: an uproot branch, and the leaf within it if there are several."""

    branch: Branch
    tbranch: Any
    part: str | None


@dataclass(frozen=True, slots=True)
class _Type:
    part: str | None
    kind: Kind
    dtype: str
    width: int | None = None


def leaves_of(tree: Any) -> dict[str, Leaf]:
    """All branches that hold data, by name, in the order of the file."""
    found: list[tuple[str, str, Any, _Type]] = []
    for key, tbranch in tree.iteritems():
        for kind in _types(tbranch):
            suffix = f"_{kind.part}" if kind.part else ""
            found.append((_clean(tbranch.name) + suffix, _clean(key) + suffix, tbranch, kind))
    shorts = Counter(short for short, _, _, _ in found)
    hidden = _lone_counters(tbranch for _, _, tbranch, _ in found)
    leaves: dict[str, Leaf] = {}
    for short, full, tbranch, kind in found:
        name = short if shorts[short] == 1 else full
        while name in leaves:
            name += "_"
        leaves[name] = Leaf(
            Branch(name, kind.kind, kind.dtype, kind.width, hidden=tbranch.name in hidden), tbranch, kind.part
        )
    return leaves


def _clean(name: str) -> str:
    return re.sub(r"\[[^/]*?\]$", "", name).strip("./").replace("/", "_").replace(".", "_")


def _lone_counters(tbranches: Any) -> set[str]:
    """Counters ``nx`` that count the one branch ``x`` and nothing else."""
    counted: dict[str, set[str]] = {}
    for tbranch in tbranches:
        for leaf in tbranch.member("fLeaves"):
            counter = leaf.member("fLeafCount", none_if_missing=True)
            if counter is not None:
                counted.setdefault(counter.member("fName"), set()).add(tbranch.name)
    return {counter for counter, names in counted.items() if {f"n{name}" for name in names} == {counter}}


def _types(tbranch: Any) -> list[_Type]:
    """What a branch holds; nothing for one that only groups others."""
    plain = _plain(tbranch)
    return [plain] if plain else _interpreted(tbranch)


def _plain(tbranch: Any) -> _Type | None:
    """What a branch of one leaf without fixed sizes holds; known without uproot's full interpretation."""
    if tbranch.classname != "TBranch" or len(tbranch.member("fLeaves")) != 1 or len(tbranch.member("fBranches")):
        return None
    leaf = tbranch.member("fLeaves")[0]
    number = _NUMBERS.get(leaf.classname)
    counted = leaf.member("fLeafCount") is not None
    sizes = leaf.member("fTitle").partition("[")[2]
    if number is None or leaf.member("fLen") != 1 or not (_COUNTED.fullmatch(sizes) if counted else not sizes):
        return None
    if number.startswith("int") and leaf.member("fIsUnsigned"):
        number = f"u{number}"
    return _Type(None, "jagged" if counted else "flat", number)


def _interpreted(tbranch: Any) -> list[_Type]:
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


def _of_dtype(dtype: Any, typename: str, *, jagged: bool) -> list[_Type]:
    if dtype is None:
        return [_Type(None, "unsupported", typename)]
    dtype = np.dtype(dtype)
    if dtype.names:
        parts = [(name, dtype[name]) for name in dtype.names if name]
        return [_of_number(part, field, typename, jagged=jagged) for part, field in parts]
    return [_of_number(None, dtype, typename, jagged=jagged)]


def _of_number(part: str | None, dtype: np.dtype[Any], typename: str, *, jagged: bool) -> _Type:
    if not is_number(dtype.base) or (jagged and dtype.shape):
        return _Type(part, "unsupported", typename)
    if dtype.shape:
        return _Type(part, "jagged", dtype.base.name, int(np.prod(dtype.shape)))
    return _Type(part, "jagged" if jagged else "flat", dtype.name)


def _of_object(tbranch: Any, interpretation: Any, typename: str) -> _Type:
    """A list of numbers, however the C++ type is called; else unsupported."""
    import uproot

    if isinstance(interpretation, uproot.interpretation.objects.AsObjects):
        try:
            form = interpretation.awkward_form(tbranch.file)
        except Exception:
            return _Type(None, "unsupported", typename)
        if form.is_list and form.parameter("__array__") is None and form.content.is_numpy:
            dtype = np.dtype(form.content.primitive)
            if is_number(dtype) and not form.content.inner_shape and form.content.parameter("__array__") is None:
                return _Type(None, "jagged", dtype.name)
    return _Type(None, "unsupported", typename)


def _typename(tbranch: Any) -> str:
    try:
        name = tbranch.typename
    except Exception:
        name = None
    return str(name) if name else "an unknown type"
