"""The branches of a TTree as users see them: names, kinds, and which are mere counters.

Names: the last part of a branch's path, with underscores for dots and without the size of an array (``Jet/Jet.PT`` is
``Jet_PT``, ``evt/Array[10]`` is ``Array``). If two branches would then have one name, the whole path is used
(``evt/P3/P3.Px`` is ``evt_P3_P3_Px``). The leaves of a branch with several leaves are named ``branch_leaf``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.readers.tree_metadata import PlainTree
from mlaas4hep.streaming.readers.ttree_types import Type, types_of

__all__ = ["Leaf", "leaves_of", "plain_leaves"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A branch for users, and where it is stored.

    Attributes:
        branch: for users.
        tbranch: an uproot branch, or a `PlainBranch` if the tree was read without uproot.
        part: the leaf within it if there are several.
    """

    branch: Branch
    tbranch: Any
    part: str | None


def leaves_of(tree: Any) -> dict[str, Leaf]:
    """All branches that hold data, by name, in the order of the file."""
    found: list[tuple[str, str, Any, Type]] = []
    for key, tbranch in tree.iteritems():
        for kind in types_of(tbranch):
            suffix = f"_{kind.part}" if kind.part else ""
            found.append((_clean(tbranch.name) + suffix, _clean(key) + suffix, tbranch, kind))
    return _named(found, _lone_counters(_counted(tbranch for _, _, tbranch, _ in found)))


def plain_leaves(plain: PlainTree) -> dict[str, Leaf]:
    """The branches by the names that users see; as they have no parts, their names are whole paths."""
    names = ((branch, _clean(branch.name)) for branch in plain.branches)
    counted = [(branch.counter, branch.name) for branch in plain.branches if branch.counter is not None]
    return _named([(name, name, branch, branch.type) for branch, name in names], _lone_counters(counted))


def _named(found: Sequence[tuple[str, str, Any, Type]], hidden: Container[str]) -> dict[str, Leaf]:
    """Leaves by the names that users see.

    Args:
        found: short name, name with the whole path, where it is stored, and what it holds, in the order of the file.
        hidden: the file's names of branches that are mere counters.
    """
    shorts = Counter(short for short, _, _, _ in found)
    leaves: dict[str, Leaf] = {}
    for short, full, tbranch, kind in found:
        name = short if shorts[short] == 1 else full
        while name in leaves:
            name += "_"
        leaves[name] = Leaf(
            Branch(name, kind.kind, kind.dtype, kind.width, hidden=tbranch.name in hidden), tbranch, kind.part
        )
    return leaves


def _counted(tbranches: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for tbranch in tbranches:
        for leaf in tbranch.member("fLeaves"):
            counter = leaf.member("fLeafCount", none_if_missing=True)
            if counter is not None:
                yield counter.member("fName"), tbranch.name


def _clean(name: str) -> str:
    """A name without what a branch may not have for users."""
    if name.isidentifier():  # as nearly all are
        return name
    return re.sub(r"\[[^/]*?\]$", "", name).strip("./").replace("/", "_").replace(".", "_")


def _lone_counters(counted: Iterable[tuple[str, str]]) -> set[str]:
    """Counters ``nx`` that count the one branch ``x`` and nothing else.

    Args:
        counted: names of a counter and of a branch that it counts.
    """
    names: dict[str, set[str]] = {}
    for counter, name in counted:
        names.setdefault(counter, set()).add(name)
    return {counter for counter, of in names.items() if {f"n{name}" for name in of} == {counter}}
