"""The head of a TTree read without uproot, if all its branches are plain: one leaf of numbers, baskets in the file.

uproot builds some objects for each branch, which takes a third of a second for 1500 branches. Here a branch is one
small tuple. Only what is known exactly is read; any surprise, a single branch of another kind included, leaves the
whole tree to uproot, which then also finds the words for what is wrong. Known are versions 19 and 20 of TTree, 12 and
13 of TBranch; uproot reads these in one fixed order too, whatever layout the file describes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.streaming.readers.tree_bytes import Cursor, SurpriseError
from mlaas4hep.streaming.readers.ttree_types import Type, plain_type

__all__ = ["PlainBranch", "PlainTree", "plain_tree"]

_WITH_FEATURES = 20
_TREE_VERSIONS, _LEAF_VERSIONS, _ANY = (19, _WITH_FEATURES), (2,), range(1 << 16)
_ATTRIBUTES, _LINE, _FILL, _MARKER = (1, 2, 3), 6, 4, 8
_FEATURES, _FEATURES_SIZE = (0,), 5
_TREE = struct.Struct(">q56xI48x")
_BRANCH = {12: struct.Struct(">6s16xi12xI4xq8xq8x"), 13: struct.Struct(">6s16xi8x6s9xI4xq8xq8x")}
"""Fill style; written baskets; in version 13 features; room for baskets; entries; decompressed bytes."""
_FILLS = (b"@\0\0\6\0\1", b"@\0\0\6\0\2")
_BRANCH_PARTS = {*((fill,) for fill in _FILLS), *((fill, b"@\0\0\7\0\0") for fill in _FILLS)}
"""Byte counts and versions of the fill style and of the features, which tell the length of each."""
_LEAF = struct.Struct(">i9x?I")
"""Numbers of an entry, unsigned, reference to the counter."""
_MINIMUM_AND_MAXIMUM = {"TLeafO": 2, "TLeafB": 2, "TLeafS": 4, "TLeafI": 8, "TLeafL": 16, "TLeafG": 16, "TLeafF": 8}
_MINIMUM_AND_MAXIMUM["TLeafD"] = 16
_NOTHING_ELSE = bytes(28)
"""No aliases, two empty arrays of an index, no index, friends, user information, references of branches."""


class PlainBranch(NamedTuple):
    """A branch of one leaf.

    Attributes:
        name: as it is in the file.
        type: what it holds.
        counter: name of the leaf that counts, for lists.
        entries: how many.
        total_bytes: of all its baskets when decompressed.
        sizes: bytes of each basket in the file, big-endian int32.
        edges: first entry of each basket, and behind the last the number of entries, big-endian int64.
        seeks: where each basket begins in the file, big-endian int64.
    """

    name: str
    type: Type
    counter: str | None
    entries: int
    total_bytes: int
    sizes: bytes
    edges: bytes
    seeks: bytes


class PlainTree(NamedTuple):
    """A tree of such branches, in the order of the file; all have all entries."""

    entries: int
    branches: list[PlainBranch]

    def common_offsets(self) -> list[int]:
        """Entries at which a basket of every branch begins, and the number of entries; 0 if there are no baskets."""
        every = [set(_numbers(edges).tolist()) for edges in {branch.edges for branch in self.branches if branch.seeks}]
        return sorted(set.intersection(*every)) if every else [0]

    def offsets(self, branch: int) -> list[int]:
        """Entries at which a basket of this branch begins, and the number of entries."""
        return list(_numbers(self.branches[branch].edges).tolist())


def plain_tree(data: bytes, key_length: int) -> PlainTree | None:
    """Read the head of a tree.

    Args:
        data: the decompressed bytes of the tree's key.
        key_length: bytes of the key before them.

    Returns:
        The tree; None if anything is not plain, not known or damaged.
    """
    try:
        return _tree(Cursor(data, key_length))
    except Exception:
        return None


def _tree(cursor: Cursor) -> PlainTree:
    version, end = cursor.begin(_TREE_VERSIONS)
    cursor.named()
    for size in (_LINE, _FILL, _MARKER):
        cursor.skip_object(_ATTRIBUTES, size)
    entries, ranges = cursor.fields(_TREE)
    cursor.array(ranges, 8)
    cursor.array(ranges, 8)
    if version >= _WITH_FEATURES:  # which only matter to who reads the baskets, and are seen there
        cursor.skip_object(_FEATURES, _FEATURES_SIZE)
    count, stop = cursor.items()
    leaves: dict[int, str] = {}
    branches = [_branch(cursor, leaves) for _ in range(count)]
    cursor.end(stop)
    _check(entries, branches)
    count, stop = cursor.items()
    if [cursor.reference() for _ in range(count)] != list(leaves):
        msg = "the tree lists other leaves than the branches have"
        raise SurpriseError(msg)
    cursor.end(stop)
    if cursor.rest() != _NOTHING_ELSE:
        msg = "there is more than branches"
        raise SurpriseError(msg)
    cursor.end(end)
    return PlainTree(entries, branches)


def _branch(cursor: Cursor, leaves: dict[int, str]) -> PlainBranch:
    kind, _, stop = cursor.item()
    version, end = cursor.begin(_BRANCH)
    name, _ = cursor.named()
    fill, written, *features, room, entries, total_bytes = cursor.fields(_BRANCH[version])
    branches, last = cursor.items()
    cursor.end(last)
    count, last = cursor.items()
    if (fill, *features) not in _BRANCH_PARTS or kind != "TBranch" or branches or count != 1 or not 0 <= written < room:
        msg = "a branch is not plain"
        raise SurpriseError(msg)
    plain, counter = _leaf(cursor, leaves)
    cursor.end(last)
    cursor.skip_object(_ANY)  # baskets in the tree itself; `_check` sees that they are not needed
    sizes, edges = cursor.array(room, 4, written), cursor.array(room, 8, written + 1)
    seeks = cursor.array(room, 8, written)
    if cursor.text():
        msg = "the baskets are in another file"
        raise SurpriseError(msg)
    cursor.end(end, stop)
    return PlainBranch(name, plain, counter, entries, total_bytes, sizes, edges, seeks)


def _leaf(cursor: Cursor, leaves: dict[int, str]) -> tuple[Type, str | None]:
    """What the leaf holds, and the name of what counts it."""
    kind, number, stop = cursor.item()
    _, end = cursor.begin((1,))
    _, base = cursor.begin(_LEAF_VERSIONS)
    name, title = cursor.named()
    length, unsigned, reference = cursor.fields(_LEAF)
    counter = leaves[reference] if reference else None
    cursor.end(base)
    cursor.skip(_MINIMUM_AND_MAXIMUM[kind])
    cursor.end(end, stop)
    plain = plain_type(kind, title, length, unsigned=unsigned, counted=counter is not None)
    if plain is None:
        msg = "a leaf is not plain"
        raise SurpriseError(msg)
    leaves[number] = name
    return plain, counter


def _check(entries: int, branches: list[PlainBranch]) -> None:
    """All branches have all entries, in baskets of the file that follow each other."""
    for edges in {branch.edges for branch in branches}:
        numbers = _numbers(edges)
        if numbers[0] != 0 or numbers[-1] != entries or (numbers[1:] < numbers[:-1]).any():
            msg = "baskets are missing"
            raise SurpriseError(msg)
    seeks = _numbers(b"".join(branch.seeks for branch in branches))
    if any(branch.entries != entries for branch in branches) or (seeks <= 0).any():
        msg = "some entries are missing"
        raise SurpriseError(msg)


def _numbers(data: bytes) -> NDArray[np.int64]:
    return np.frombuffer(data, dtype=">i8")
