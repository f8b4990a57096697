"""TTrees: which branches there are, and columns of any range of entries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.streaming.readers.common import Reader
from mlaas4hep.streaming.readers.root.arrays import from_awkward
from mlaas4hep.streaming.readers.root.directory import damage, is_lost, unreadable
from mlaas4hep.streaming.readers.ttree.arrays import interpretation_of, part_of, read_branch
from mlaas4hep.streaming.readers.ttree.baskets.cache import BasketCache
from mlaas4hep.streaming.readers.ttree.baskets.switch import switched_on, tell_fallback
from mlaas4hep.streaming.readers.ttree.baskets.tables import Table, stored_of, table_of
from mlaas4hep.streaming.readers.ttree.branches import Leaf, leaves_of, plain_leaves
from mlaas4hep.streaming.readers.ttree.layout import clusters, compression_of, compression_of_tree
from mlaas4hep.streaming.readers.ttree.metadata import PlainTree

__all__ = ["TTreeSource"]


class TTreeSource(Reader):
    """A TTree; `read` may be called from several threads at the same time.

    Branches of plain numbers and lists of them are read from their baskets directly; all others, and all where anything
    is not as expected, by uproot, which then also finds the words for what is wrong. If all are plain, uproot reads the
    tree only then.

    Args:
        path: a local path or URL.
        tree: path of the tree in the file.
        file: uproot's file.
        load: gives uproot's tree, or raises `FileReadError`.
        plain: the tree read without uproot; None: not all its branches are plain.
        identity: identifies the content.
    """

    def __init__(
        self, path: str, tree: str, file: Any, load: Callable[[], Any], plain: PlainTree | None, identity: str
    ) -> None:
        self._path, self._tree, self._identity = path, tree, identity
        self._file, self._load, self._plain = file, load, plain
        self._lock = threading.Lock()
        self._loaded: tuple[Any, dict[str, Leaf]] | None = None
        self._tables: dict[str, Table | None] = {}
        self._cache = BasketCache()
        self._reads_baskets = switched_on()
        if plain is None:
            leaves = self._leaves
            self._stored: dict[str, Leaf] = leaves
            self._entries, self._clusters = self._layout()
        else:
            self._stored = leaves = plain_leaves(plain)
            self._entries = plain.entries
            sizes = [branch.total_bytes for branch in plain.branches]
            self._clusters = clusters(plain.common_offsets(), sizes, plain.offsets, plain.entries)
        self._branches = {name: leaf.branch for name, leaf in leaves.items()}

    def close(self) -> None:
        """Release the file."""
        self._file.close()
        self._cache.clear()

    @property
    def compression(self) -> str | None:
        """See `Source`."""
        return compression_of_tree(self._object)

    def compression_of(self, name: str) -> str | None:
        """Return the name and level of a branch's compression."""
        return compression_of(self._leaves[name].tbranch)

    @property
    def _object(self) -> Any:
        """The tree of uproot."""
        return self._with_uproot()[0]

    @property
    def _leaves(self) -> dict[str, Leaf]:
        """The branches as uproot sees them."""
        return self._with_uproot()[1]

    def _with_uproot(self) -> tuple[Any, dict[str, Leaf]]:
        with self._lock:
            if self._loaded is None:
                tree_object = self._load()
                try:
                    self._loaded = tree_object, leaves_of(tree_object)
                except Exception as error:
                    raise damage(self._path, error, f"tree {self._tree} cannot be read") from error
            return self._loaded

    def _layout(self) -> tuple[int, tuple[int, ...]]:
        """Entries and clusters as uproot sees them."""
        try:
            entries = int(self._object.num_entries)
            tbranches = list(self._object.itervalues())
            sizes = [int(tbranch.uncompressed_bytes) for tbranch in tbranches]
            offsets = self._object.common_entry_offsets()
            return entries, clusters(offsets, sizes, lambda i: tbranches[i].entry_offsets, entries)
        except Exception as error:
            raise damage(self._path, error, f"tree {self._tree} cannot be read") from error

    def direct(self, names: Iterable[str]) -> dict[str, Table]:
        """Return those of the branches that are read without uproot, with their baskets."""
        tables: dict[str, Table] = {}
        for name in names if self._reads_baskets else ():
            if name not in self._tables:  # two threads may both find out; they find the same
                stored = stored_of(self._stored[name])
                self._tables[name] = None if stored is None else table_of(stored, self._entries)
            table = self._tables[name]
            if table is not None:
                tables[name] = table
        return tables

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        columns, failure = self._read_baskets(names, start, stop)
        rest = [name for name in names if name not in columns]
        if not rest:
            return columns
        columns |= self._read_with_uproot(rest, start, stop)
        if failure is not None:  # if uproot cannot read them either, its error says enough
            tell_fallback(self.place, failure)
        return columns

    def _read_baskets(self, names: list[str], start: int, stop: int) -> tuple[dict[str, Column], Exception | None]:
        """The columns that can be read directly; none at all if one is damaged, and what was wrong."""
        from mlaas4hep.streaming.readers.ttree.baskets.reader import read_baskets

        try:
            return read_baskets(self._file.source, self.direct(names), start, stop, self._cache), None
        except Exception as error:
            if is_lost(error, self._path):  # do not wait for a lost server a second time
                raise damage(self.place, error, f"entries {start} to {stop} cannot be read") from error
            return {}, error

    def _read_with_uproot(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        leaves = {name: self._leaves[name] for name in names}
        arrays = self._together(leaves.values(), start, stop)
        columns: dict[str, Column] = {}
        failed: dict[str, Exception] = {}
        for name, leaf in leaves.items():
            try:
                key = id(leaf.tbranch)
                if key not in arrays:
                    arrays[key] = read_branch(leaf.tbranch, start, stop)
                columns[name] = _column(arrays[key], leaf, stop - start)
            except Exception as error:
                failed[name] = error
                if is_lost(error, self._path):
                    break
        if failed:
            raise unreadable(self.place, failed, f"{start} to {stop}") from next(iter(failed.values()))
        return columns

    def _together(self, leaves: Iterable[Leaf], start: int, stop: int) -> dict[int, Any]:
        """Awkward arrays of many branches in one request, by identity of the uproot branch; none if one fails."""
        by_name: dict[str, set[int]] = {}
        for leaf in leaves:
            if interpretation_of(leaf.tbranch) is leaf.tbranch.interpretation:
                by_name.setdefault(leaf.tbranch.name, set()).add(id(leaf.tbranch))
        unique = {next(iter(keys)): name for name, keys in by_name.items() if len(keys) == 1}
        if len(unique) <= 1:
            return {}
        try:
            found = self._object.arrays(
                filter_branch=lambda tbranch: id(tbranch) in unique,
                entry_start=start,
                entry_stop=stop,
                array_cache=None,
                library="ak",
                how=dict,
            )
            return {key: found[name] for key, name in unique.items()}
        except Exception as error:
            if is_lost(error, self._path):  # do not wait for a lost server once more
                raise damage(self.place, error, f"entries {start} to {stop} cannot be read") from error
            return {}


def _column(array: Any, leaf: Leaf, entries: int) -> Column:
    column = from_awkward(part_of(array, leaf.part))
    if len(column) != entries:
        msg = f"{len(column)} of {entries} entries were found"
        raise ValueError(msg)
    if leaf.branch.kind == "jagged" and not isinstance(column, Jagged):
        return Jagged.from_regular(column.reshape(len(column), 1))
    return column
