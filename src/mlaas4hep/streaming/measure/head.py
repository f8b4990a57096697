"""The first entries of a file, as if there were no more; and how many bytes of the file hold them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from mlaas4hep.features.columns import Column
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.readers.base import Source
from mlaas4hep.streaming.readers.common import Reader, clusters_of
from mlaas4hep.streaming.readers.root.directory import open_directory
from mlaas4hep.streaming.readers.ttree.source import TTreeSource

__all__ = ["Head", "stored_bytes"]


class Head(Reader):
    """A source cut to its first entries.

    Args:
        whole: the file.
        entries: how many; at most what it has.

    Attributes:
        whole: as given.
    """

    def __init__(self, whole: Source, entries: int) -> None:
        self.whole = whole
        self._path, self._tree, self._identity = whole.location, whole.tree, whole.identity
        self._branches, self._compression, self._computed = whole.branches, whole.compression, whole.computed
        self._remark, self._has_text, self._entries = whole.remark, whole.has_text, entries
        self._sequential = whole.sequential
        self._clusters = clusters_of(whole.clusters, entries)
        self.reopened = Head, (whole, entries)

    def close(self) -> None:
        """Release the file."""
        self.whole.close()

    def read_labels(self, branch: str, start: int, stop: int) -> NDArray[Any]:
        """See `Source`."""
        return self.whole.read_labels(branch, start, stop)

    def _text(self, branch: str, start: int, stop: int) -> list[str | None]:
        return self.whole.read_text(branch, start, stop)

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        return self.whole.read(names, start, stop)


def stored_bytes(files: Iterable[DataFile], names: Iterable[str]) -> int | None:
    """Compressed bytes of these branches in the heads of files, by their share of the entries.

    None if they are not known: for tables, for RNTuples, and for branches that are parts of others.
    """
    total = 0.0
    for file in files:
        source = file.source
        whole = source.whole if isinstance(source, Head) else source
        if not isinstance(whole, TTreeSource) or whole.tree is None:
            return None
        with open_directory(whole.location) as directory:
            tree = directory[whole.tree]
            if not all(name in tree for name in names):
                return None
            size = sum(int(tree[name].compressed_bytes) for name in names)
        total += size * source.entries / max(whole.entries, 1)
    return int(total)
