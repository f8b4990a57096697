"""Names of branches for users, whatever the order in which a file has its branches.

A name in a file may have dots, slashes and sizes of arrays (``Jet/Jet.PT``, ``evt/Array[10]``), the name for users has
not. Several branches may come to one name then; who has it is decided by these rules:

1. The branch that has exactly this name in the file has it.
2. Else a branch is named by the last part of its path (``Jet_PT``, ``Array``), if no other would be.
3. Else by the whole path (``evt_P3_P3_Px``), if no other has or would have this name.
4. Else by the whole path as it is in the file (``Jet.pt`` beside ``Jet_pt``).

Branches that are one even then are told apart by nothing but their order, so none of them can be used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["SAME_NAME", "Stored", "clean", "public_names"]

SAME_NAME = "nothing but the order tells it from another branch of this name"
"""The fault of branches that the rules leave with one name."""

_SIZE = re.compile(r"\[[^/]*?\]$")


@dataclass(frozen=True, slots=True)
class Stored:
    """How a branch is called in the file.

    Attributes:
        name: the whole path.
        short: what users would like to write.
        full: what users write if another branch has the short name.
    """

    name: str
    short: str
    full: str


def clean(name: str) -> str:
    """Return a name without what a branch may not have for users.

    Example:
        >>> clean("evt/P3/P3.Px"), clean("p4."), clean("x[10]")
        ('evt_P3_P3_Px', 'p4', 'x')
    """
    if name.isidentifier():  # as nearly all are
        return name
    return _SIZE.sub("", name).strip("./").replace("/", "_").replace(".", "_")


def public_names(branches: Sequence[Stored]) -> list[str]:
    """Return the name of each branch for users; the same one for those that nothing tells apart.

    Example:
        >>> public_names([Stored("Jet.pt", "Jet_pt", "Jet_pt"), Stored("Jet_pt", "Jet_pt", "Jet_pt")])
        ['Jet.pt', 'Jet_pt']
    """
    names = [branch.name if branch.name == branch.short else None for branch in branches]
    for wish in ("short", "full"):
        left = [index for index, name in enumerate(names) if name is None]
        if not left:
            break
        wishes = [getattr(branches[index], wish) for index in left]
        taken = {name for name in names if name is not None}
        once = _once(wishes)
        for index, name in zip(left, wishes, strict=True):
            if name in once and name not in taken:
                names[index] = name
    return [branch.name if name is None else name for branch, name in zip(branches, names, strict=True)]


def _once(names: Iterable[str]) -> set[str]:
    return {name for name, number in Counter(names).items() if number == 1}
