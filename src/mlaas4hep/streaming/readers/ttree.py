"""TTrees: which branches there are, and columns of any range of entries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlaas4hep.errors import FileReadError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.arrays import from_awkward
from mlaas4hep.streaming.readers.basket_cache import BasketCache
from mlaas4hep.streaming.readers.basket_tables import Table, table_of
from mlaas4hep.streaming.readers.common import Reader, clusters_of
from mlaas4hep.streaming.readers.root_open import damage
from mlaas4hep.streaming.readers.ttree_branches import Leaf, leaves_of

__all__ = ["TTreeSource"]

_CLUSTER_BYTES = 1 << 26


class TTreeSource(Reader):
    """A TTree opened with uproot; `read` may be called from several threads at the same time.

    Branches of plain numbers and lists of them are read from their baskets directly; all others, and all where anything
    is not as expected, by uproot, which then also finds the words for what is wrong.
    """

    def __init__(self, path: str, tree: str, tree_object: Any, identity: str) -> None:
        self._path, self._tree, self._identity = path, tree, identity
        self._object = tree_object
        self._tables: dict[str, Table | None] = {}
        self._cache = BasketCache()
        try:
            self._entries = int(tree_object.num_entries)
            self._leaves = leaves_of(tree_object)
            self._branches = {name: leaf.branch for name, leaf in self._leaves.items()}
            self._clusters = _clusters(tree_object, self._entries)
        except Exception as error:
            raise damage(path, error, f"tree {tree} cannot be read") from error

    def close(self) -> None:
        """Release the file."""
        self._object.file.close()
        self._cache = BasketCache()

    @property
    def compression(self) -> str | None:
        """See `LabelSource`."""
        return _compression(self._object)

    def compression_of(self, name: str) -> str | None:
        """Name and level of a branch's compression."""
        return _compression_of(self._leaves[name].tbranch)

    def direct(self, names: Iterable[str]) -> dict[str, Table]:
        """Those of the branches that are read without uproot, with their baskets."""
        tables = {}
        for name in names:
            if name not in self._tables:  # two threads may both find out; they find the same
                self._tables[name] = table_of(self._leaves[name], self._entries)
            table = self._tables[name]
            if table is not None:
                tables[name] = table
        return tables

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        columns = self._read_baskets(names, start, stop)
        rest = [name for name in names if name not in columns]
        return columns | self._read_with_uproot(rest, start, stop) if rest else columns

    def _read_baskets(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        """The columns that can be read directly; none at all if one is damaged."""
        from mlaas4hep.streaming.readers.baskets import read_baskets

        try:
            return read_baskets(self._object.file.source, self.direct(names), start, stop, self._cache)
        except OSError as error:
            if "://" in self._path:  # do not wait for a lost server a second time
                raise damage(self.place, error, f"entries {start} to {stop} cannot be read") from error
            return {}
        except Exception:
            return {}

    def _read_with_uproot(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        leaves = {name: self._leaves[name] for name in names}
        tbranches = {id(leaf.tbranch): leaf.tbranch for leaf in leaves.values()}
        arrays = self._arrays(tbranches, leaves, start, stop)
        columns = {}
        for name, leaf in leaves.items():
            column = _column(arrays[id(leaf.tbranch)], leaf)
            if len(column) != stop - start:
                raise FileReadError(
                    f"branch {name} has only {leaf.tbranch.num_entries} of {self._entries} entries",
                    where=self.place,
                    hint="leave the branch out, or write the file again",
                )
            columns[name] = column
        return columns

    def _arrays(self, tbranches: dict[int, Any], leaves: dict[str, Leaf], start: int, stop: int) -> dict[int, Any]:
        """Awkward arrays by identity of the uproot branch."""
        if not tbranches:
            return {}
        by_name: dict[str, list[int]] = {}
        for key, tbranch in tbranches.items():
            by_name.setdefault(tbranch.name, []).append(key)
        unique = {keys[0]: name for name, keys in by_name.items() if len(keys) == 1}
        try:
            together = self._object.arrays(
                filter_branch=lambda tbranch: id(tbranch) in unique,
                entry_start=start,
                entry_stop=stop,
                array_cache=None,
                library="ak",
                how=dict,
            )
        except Exception as error:
            self._blame(leaves, start, stop, error)
            raise damage(self.place, error, f"entries {start} to {stop} cannot be read") from error
        arrays = {key: together[name] for key, name in unique.items()}
        for key, tbranch in tbranches.items():
            if key not in arrays:
                arrays[key] = self._one(tbranch, tbranch.name, start, stop)
        return arrays

    def _one(self, tbranch: Any, name: str, start: int, stop: int) -> Any:
        try:
            return tbranch.array(entry_start=start, entry_stop=stop, array_cache=None, library="ak")
        except Exception as error:
            raise damage(self.place, error, f"entries {start} to {stop} of branch {name} cannot be read") from error

    def _blame(self, leaves: dict[str, Leaf], start: int, stop: int, error: BaseException) -> None:
        """Read branch by branch to name the one that is damaged; a lost connection is nobody's fault."""
        if isinstance(error, OSError) and "://" in self._path:
            return
        for name, leaf in leaves.items():
            self._one(leaf.tbranch, name, start, stop)


def _column(array: Any, leaf: Leaf) -> Column:
    column = from_awkward(array if leaf.part is None else array[leaf.part])
    if leaf.branch.kind == "jagged" and not isinstance(column, Jagged):
        return Jagged.from_regular(column.reshape(len(column), 1))
    return column


def _clusters(tree_object: Any, entries: int) -> tuple[int, ...]:
    """Where all branches begin a basket; if that is nowhere in a large tree, where the largest branch does."""
    offsets = [int(offset) for offset in tree_object.common_entry_offsets()]
    tbranches = list(tree_object.itervalues())
    size = sum(int(tbranch.uncompressed_bytes) for tbranch in tbranches)
    if size > _CLUSTER_BYTES * max(1, len(offsets) - 1) and tbranches:
        largest = max(tbranches, key=lambda tbranch: int(tbranch.uncompressed_bytes))
        offsets += [int(offset) for offset in largest.entry_offsets]
    return clusters_of(offsets, entries)


def _compression_of(tbranch: Any) -> str | None:
    """Branches written by uproot do not say their compression, but are smaller than what they hold."""
    try:
        compression = tbranch.compression
    except ValueError:  # the code for: as the file
        compression = None
    if compression is None and tbranch.compressed_bytes < tbranch.uncompressed_bytes:
        compression = tbranch.file.compression
    return None if compression is None or not compression.level else repr(compression)


def _compression(tree_object: Any) -> str | None:
    sizes: dict[str, int] = {}
    for tbranch in tree_object.itervalues():
        name = _compression_of(tbranch)
        if name is not None:
            sizes[name] = sizes.get(name, 0) + int(tbranch.compressed_bytes)
    return max(sizes, key=lambda name: sizes[name]) if sizes else None
