"""The head of a TTree read without uproot, if all its branches are plain: one leaf of numbers, baskets in the file.

uproot builds some objects for each branch, which takes a third of a second for 1500 branches. Here a branch is one
small tuple. Only what is known exactly is read; any surprise, a single branch of another kind included, leaves the
whole tree to uproot, which then also finds the words for what is wrong. Known are versions 19 and 20 of TTree, 12 and
13 of TBranch; uproot reads these in one fixed order too, whatever layout the file describes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.streaming.readers.ttree.faults import WITHOUT_OFFSETS
from mlaas4hep.streaming.readers.ttree.record import Cursor, SurpriseError, require
from mlaas4hep.streaming.readers.ttree.types import Type, plain_type

__all__ = ["PlainBranch", "PlainTree", "plain_tree"]

_WITH_FEATURES = {20, 13}  # of TTree and of TBranch
_TREE_VERSIONS, _BRANCH_VERSIONS, _LEAF_VERSION, _NUMBERS_VERSION = (19, 20), (12, 13), 2, 1
_ATTRIBUTES, _LINE, _FILL, _MARKER = (1, 2, 3), 6, 4, 8
_FEATURES_VERSION, _FEATURES = 0, np.dtype([("checksum", "V4"), ("bits", "u1")])
_TREE = np.dtype([("entries", ">i8"), ("_", "V56"), ("ranges", ">u4"), ("__", "V48")])
_BRANCH_BEGIN = np.dtype([("_", "V12"), ("written", ">i4"), ("__", "V8")])
_BRANCH_REST = np.dtype(
    [("_", "V4"), ("room", ">u4"), ("__", "V4"), ("entries", ">i8"), ("___", "V8"), ("bytes", ">i8"), ("____", "V8")]
)
_LEAF = np.dtype([("length", ">i4"), ("_", "V9"), ("unsigned", "u1"), ("counter", ">u4")])
_MINIMUM_AND_MAXIMUM = {f"TLeaf{c}": 2 * size for c, size in zip("OBSILGFD", (1, 1, 2, 4, 8, 8, 4, 8), strict=True)}
_CLASS_NAME, _LEAF_NAME = len(b"TBranch\0"), len(b"TLeafX\0")
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
        return _tree(Cursor(data, key_length, np.zeros(1, dtype=np.int64)))
    except Exception:
        return None


def _tree(cursor: Cursor) -> PlainTree:
    version, end = cursor.begin(*_TREE_VERSIONS)
    cursor.named()
    for size in (_LINE, _FILL, _MARKER):
        cursor.skip_object(*_ATTRIBUTES, size=size)
    head = cursor.fields(_TREE)
    for _ in ("ends of ranges", "sizes of clusters"):
        cursor.array(head["ranges"].astype(np.int64), 8)
    _features(cursor, version)
    count, stop = cursor.items()
    each = cursor.each(int(count[0]))
    cursor.end(stop)
    leaves: list[int] = []
    branches = _branches(each, leaves) if count[0] else []
    entries = int(head["entries"][0])
    _check(entries, branches)
    count, stop = cursor.items()
    listed = cursor.part(int(stop[0]) - 4 * len(leaves), 4 * len(leaves))
    require(count[0] == len(leaves), np.frombuffer(listed, dtype=">u4") == leaves)
    cursor.skip(len(listed))
    cursor.end(stop)
    require(cursor.rest() == _NOTHING_ELSE)
    cursor.end(end)
    return PlainTree(entries, branches)


def _branches(cursor: Cursor, leaves: list[int]) -> list[PlainBranch]:
    """Read all branches, and note by which numbers others refer to their leaves."""
    kinds, _, stops = cursor.item(_CLASS_NAME)
    version, ends = cursor.begin(*_BRANCH_VERSIONS)
    names, _ = cursor.named()
    cursor.skip_object(*_ATTRIBUTES, size=_FILL)
    written = cursor.fields(_BRANCH_BEGIN)["written"]
    _features(cursor, version)
    rest = cursor.fields(_BRANCH_REST)
    room = rest["room"].astype(np.int64)
    inner, last = cursor.items()
    cursor.end(last)
    count, last = cursor.items()
    require(set(kinds) == {"TBranch"}, inner == 0, count == 1, written >= 0, written < room)
    types = _types(cursor, leaves)
    cursor.end(last)
    cursor.skip_object()  # baskets in the tree itself; `_check` sees that they are not needed
    sizes, edges, seeks = cursor.array(room, 4), cursor.array(room, 8), cursor.array(room, 8)
    require(all(span.start == span.stop for span in cursor.spans()))  # else the baskets are in another file
    cursor.end(ends, stops)
    return [
        PlainBranch(
            name=cursor.text(names[i]),
            type=kind,
            counter=counter,
            entries=entries,
            total_bytes=total,
            sizes=cursor.part(sizes[i], 4 * baskets),
            edges=cursor.part(edges[i], 8 * (baskets + 1)),
            seeks=cursor.part(seeks[i], 8 * baskets),
        )
        for i, ((kind, counter), entries, total, baskets) in enumerate(
            zip(types, rest["entries"].tolist(), rest["bytes"].tolist(), written.tolist(), strict=True)
        )
    ]


def _types(cursor: Cursor, leaves: list[int]) -> list[tuple[Type, str | None]]:
    """What each leaf holds, and the name of what counts it."""
    kinds, numbers, stops = cursor.item(_LEAF_NAME)
    _, ends = cursor.begin(_NUMBERS_VERSION)
    _, bases = cursor.begin(_LEAF_VERSION)
    names, titles = cursor.named()
    rows = cursor.fields(_LEAF)
    cursor.end(bases)
    cursor.skip(np.array([_MINIMUM_AND_MAXIMUM[kind] for kind in kinds], dtype=np.int64))
    cursor.end(ends, stops)
    known: dict[int, str] = {}
    types: list[tuple[Type, str | None]] = []
    lengths, unsigned, counters = (rows[name].tolist() for name in ("length", "unsigned", "counter"))
    for i, number in enumerate(numbers):
        counter = known[counters[i]] if counters[i] else None
        kind = plain_type(
            kinds[i], cursor.text(titles[i]), lengths[i], unsigned=unsigned[i] != 0, counted=counter is not None
        )
        if kind is None:
            raise SurpriseError(kinds[i])
        known[number] = cursor.text(names[i])
        types.append((kind, counter))
    leaves += numbers
    return types


def _features(cursor: Cursor, version: int) -> None:
    """The newest versions say whether lists are stored without offsets, which is for uproot."""
    if version in _WITH_FEATURES:
        _, ends = cursor.begin(_FEATURES_VERSION)
        require(cursor.fields(_FEATURES)["bits"] & WITHOUT_OFFSETS == 0)
        cursor.end(ends)


def _check(entries: int, branches: list[PlainBranch]) -> None:
    """All branches have all entries, in baskets of the file that follow each other."""
    for edges in {branch.edges for branch in branches}:
        numbers = _numbers(edges)
        require(numbers[0] == 0, numbers[-1] == entries, numbers[1:] >= numbers[:-1])
    seeks = _numbers(b"".join(branch.seeks for branch in branches))
    require(seeks > 0, all(branch.entries == entries for branch in branches))


def _numbers(data: bytes) -> NDArray[np.int64]:
    return np.frombuffer(data, dtype=">i8")
