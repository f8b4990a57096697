"""The branches of a TTree as users see them: names, kinds, and which are mere counters.

`names` says how they are named. The leaves of a branch with several leaves, and the members of objects, are named after
the branch: ``branch_leaf``, ``p4_fP_fX``.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.readers.root.names import SAME_NAME, Stored, clean, public_names
from mlaas4hep.streaming.readers.root.objects import STORAGE, Type
from mlaas4hep.streaming.readers.ttree.metadata import PlainTree
from mlaas4hep.streaming.readers.ttree.types import types_of

__all__ = ["Leaf", "leaves_of", "plain_leaves"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A branch for users, and where it is stored.

    Attributes:
        branch: for users.
        tbranch: an uproot branch, or a `PlainBranch` if the tree was read without uproot.
        part: names that lead to the leaf, or to the member of objects, within it.
    """

    branch: Branch
    tbranch: Any
    part: tuple[str, ...]


def leaves_of(tree: Any) -> dict[str, Leaf]:
    """All branches that hold data, by name, in the order of the file; parts of ROOT's own base class are left out."""
    entries = int(tree.num_entries)
    found: list[tuple[Stored, Any, Type]] = []
    for key, tbranch in tree.iteritems():
        if _is_storage(tbranch):
            continue
        for kind in types_of(tbranch, entries):
            suffix = "".join(f"_{clean(part)}" for part in kind.part)
            name = "/".join((key, *kind.part))
            found.append((Stored(name, clean(tbranch.name) + suffix, clean(key) + suffix), tbranch, kind))
    return _named(found, _lone_counters(_counted(tbranch for _, tbranch, _ in found)))


def plain_leaves(plain: PlainTree) -> dict[str, Leaf]:
    """Return the branches by the names that users see; as they have no parts, their names are whole paths."""
    names = ((branch, clean(branch.name)) for branch in plain.branches)
    counted = [(branch.counter, branch.name) for branch in plain.branches if branch.counter is not None]
    found = [(Stored(branch.name, name, name), branch, branch.type) for branch, name in names]
    return _named(found, _lone_counters(counted))


def _named(found: Sequence[tuple[Stored, Any, Type]], hidden: Container[str]) -> dict[str, Leaf]:
    """Leaves by the names that users see.

    Args:
        found: how each is called in the file, where it is stored, and what it holds, in the order of the file.
        hidden: the file's names of branches that are mere counters.
    """
    leaves: dict[str, Leaf] = {}
    for name, (stored, tbranch, kind) in zip(public_names([stored for stored, _, _ in found]), found, strict=True):
        branch = Branch(
            name,
            kind.kind,
            kind.dtype,
            kind.width,
            hidden=tbranch.name in hidden,
            stored=None if stored.name == name else stored.name,
            contested=None if stored.short == name else stored.short,
            fault=kind.fault,
            lost=kind.lost,
        )
        if name in leaves:
            branch = replace(branch, kind="unsupported", width=None, fault=SAME_NAME)
        leaves[name] = Leaf(branch, tbranch, kind.part)
    return leaves


def _is_storage(tbranch: Any) -> bool:
    """Whether a branch is a member of TObject in the objects that another branch holds."""
    if tbranch.classname != "TBranchElement" or tbranch.member("fID", none_if_missing=True) in {None, -1}:
        return False
    return str(tbranch.name).rpartition(".")[2] in STORAGE


def _counted(tbranches: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for tbranch in tbranches:
        for leaf in tbranch.member("fLeaves"):
            counter = leaf.member("fLeafCount", none_if_missing=True)
            if counter is not None:
                yield counter.member("fName"), tbranch.name


def _lone_counters(counted: Iterable[tuple[str, str]]) -> set[str]:
    """Counters ``nx`` that count the one branch ``x`` and nothing else.

    Args:
        counted: names of a counter and of a branch that it counts.
    """
    names: dict[str, set[str]] = {}
    for counter, name in counted:
        names.setdefault(counter, set()).add(name)
    return {counter for counter, of in names.items() if {f"n{name}" for name in of} == {counter}}
