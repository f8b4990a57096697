"""Clusters and compression of a TTree, from what it says of its branches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mlaas4hep.streaming.readers.common import clusters_of

__all__ = ["clusters", "compression_of", "compression_of_tree"]

_CLUSTER_BYTES = 1 << 26


def clusters(
    common: Iterable[int], sizes: Sequence[int], offsets: Callable[[int], Iterable[int]], entries: int
) -> tuple[int, ...]:
    """Return where all branches begin a basket; if that is nowhere in a large tree, where the largest branch does.

    Args:
        common: entries where all begin a basket.
        sizes: decompressed bytes of each branch.
        offsets: gives the entries where a branch begins a basket.
        entries: of the tree.
    """
    bounds = [int(offset) for offset in common]
    if sizes and sum(sizes) > _CLUSTER_BYTES * max(1, len(bounds) - 1):
        largest = max(range(len(sizes)), key=lambda i: sizes[i])
        bounds += [int(offset) for offset in offsets(largest)]
    return clusters_of(bounds, entries)


def compression_of(tbranch: Any) -> str | None:
    """Return the name and level of an uproot branch's compression; None: it has none.

    Branches written by uproot do not say their compression, but are smaller than what they hold.
    """
    try:
        compression = tbranch.compression
    except ValueError:  # the code for: as the file
        compression = None
    if compression is None and tbranch.compressed_bytes < tbranch.uncompressed_bytes:
        compression = tbranch.file.compression
    return None if compression is None or not compression.level else repr(compression)


def compression_of_tree(tree_object: Any) -> str | None:
    """Return the name and level of the compression that most of an uproot tree has."""
    sizes: dict[str, int] = {}
    for tbranch in tree_object.itervalues():
        name = compression_of(tbranch)
        if name is not None:
            sizes[name] = sizes.get(name, 0) + int(tbranch.compressed_bytes)
    return max(sizes, key=lambda name: sizes[name]) if sizes else None
