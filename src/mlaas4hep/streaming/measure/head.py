"""The first entries of a file, as if there were no more; and how many bytes of the file hold them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlaas4hep.features.columns import Column
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.readers.base import Branch, Computed, Source
from mlaas4hep.streaming.readers.root.directory import open_directory
from mlaas4hep.streaming.readers.ttree.source import TTreeSource

__all__ = ["Head", "stored_bytes"]


@dataclass(frozen=True)
class Head:
    """A source cut to its first ``entries`` entries; see `Source`."""

    whole: Source
    entries: int

    @property
    def location(self) -> str:
        """See `Source`."""
        return self.whole.location

    @property
    def path(self) -> str:
        """See `Source`."""
        return self.whole.path

    @property
    def remark(self) -> str | None:
        """See `Source`."""
        return self.whole.remark

    @property
    def tree(self) -> str | None:
        """See `Source`."""
        return self.whole.tree

    @property
    def identity(self) -> str:
        """See `Source`."""
        return self.whole.identity

    @property
    def branches(self) -> dict[str, Branch]:
        """See `Source`."""
        return self.whole.branches

    @property
    def computed(self) -> Computed | None:
        """See `Source`."""
        return self.whole.computed

    @property
    def clusters(self) -> tuple[int, ...]:
        """See `Source`."""
        return (*(cluster for cluster in self.whole.clusters if cluster < self.entries), self.entries)

    def read(self, branches: Sequence[str], start: int, stop: int) -> dict[str, Column]:
        """See `Source`."""
        return self.whole.read(branches, start, stop)

    def close(self) -> None:
        """See `Source`."""
        self.whole.close()


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
