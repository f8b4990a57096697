"""Which tables an HDF5 file holds, and the columns of each.

A table is a group of data sets of one length, one a column, or a data set of a compound type, whose fields are columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlaas4hep.errors import FileReadError, TreeNotFoundError
from mlaas4hep.errors.findings import few
from mlaas4hep.streaming.readers.base import Branch

__all__ = ["Stored", "choose", "columns_of", "tables"]

_DEFAULT_TREE = "Events"
"""What a workflow calls the tree if its user does not name one."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the values of a column are.

    Attributes:
        dataset: path of the data set.
        field: name of the field, if that is compound.
        items: type of the values of lists of varying length, as they are stored.
    """

    dataset: str
    field: str | None = None
    items: np.dtype[Any] | None = None


def tables(file: Any) -> dict[str, str]:
    """Return the tables of an open file: path, ``/`` for the topmost group, and ``group`` or ``compound data set``."""
    import h5py

    found = {"/": "group"} if any(_plain(item) for _, item in _items(file)) else {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.dtype.names and item.ndim:
                found[name] = "compound data set"
        elif any(_plain(inner) for _, inner in _items(item)):
            found[name] = "group"

    file.visititems(visit)
    return found


def choose(file: Any, path: str, tree: str | None) -> tuple[str, str | None]:
    """Return the path of the table that is asked for, and what was decided without the user, if anything.

    Args:
        file: open.
        path: of the file, for messages.
        tree: as the user named it; None or the default of a workflow, if there is none of that name: the only table.

    Raises:
        TreeNotFoundError: no such table, or several and none is named; the hint lists them.
    """
    import h5py

    name = None if tree is None else tree.strip("/") or "/"
    if name is not None and name in file:
        if name != "/" and isinstance(file[name], h5py.Dataset) and not file[name].dtype.names:
            what = f"{name!r} is a data set of one column, not a table"
            raise TreeNotFoundError(what, where=path, hint=_hint(tables(file), path))
        return name, None
    found = tables(file)
    if name in (None, _DEFAULT_TREE) and len(found) == 1:
        only = next(iter(found))
        return only, f"no tree {name}: the only table, {only}, is read" if name else None
    if name is not None:
        raise TreeNotFoundError(f"no group or data set {name!r}", where=path, hint=_hint(found, path))
    what = "holds several tables" if found else "holds no table"
    raise TreeNotFoundError(what, where=path, hint=_hint(found, path))


def columns_of(file: Any, path: str, tree: str) -> tuple[int, dict[str, tuple[Branch, Stored]]]:
    """Return the number of events of a table, and its columns by name in the order of the file.

    A compound data set within a group gives columns ``<data set>_<field>``.

    Raises:
        FileReadError: as many data sets have one length as have another, so that the number of events is not known.
        TreeNotFoundError: the group holds no data set.
    """
    import h5py

    item = file[tree]
    shapes: dict[str, tuple[int, ...]] = {}
    found: dict[str, tuple[Branch, Stored]] = {}
    if isinstance(item, h5py.Dataset):
        for field in item.dtype.names:
            found[field] = (_branch(field, item.dtype[field], item.shape[1:]), _stored(item, field))
        return int(item.shape[0]), found
    for name, inner in _items(item):
        if not isinstance(inner, h5py.Dataset) or not inner.ndim:
            continue
        fields: tuple[str | None, ...] = inner.dtype.names or (None,)
        for field in fields:
            column = name if field is None else f"{name}_{field}"
            kind = inner.dtype if field is None else inner.dtype[field]
            if column in found:
                raise FileReadError(f"two columns are called {column}", where=f"{path}:{tree}")
            found[column] = (_branch(column, kind, inner.shape[1:]), _stored(inner, field))
            shapes[column] = inner.shape
    if not found:
        raise TreeNotFoundError(f"the group {tree!r} holds no data set", where=path, hint=_hint(tables(file), path))
    entries = _common_length({name: shape[0] for name, shape in shapes.items()}, f"{path}:{tree}")
    for name, shape in shapes.items():
        if shape[0] != entries:
            branch, stored = found[name]
            fault = f"it has {shape[0]} entries, most columns have {entries}"
            found[name] = (Branch(name, "unsupported", branch.dtype, fault=fault), stored)
    return entries, found


def _items(group: Any) -> Iterator[tuple[str, Any]]:
    """Give the members of a group; links that lead nowhere or to other files are left out."""
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            continue
        item = group.get(name)
        if item is not None:
            yield name, item


def _plain(item: Any) -> bool:
    """Say whether an object is one column: a data set that is not a single value and not compound."""
    import h5py

    return isinstance(item, h5py.Dataset) and item.ndim > 0 and not item.dtype.names


def _stored(dataset: Any, field: str | None) -> Stored:
    import h5py

    items = h5py.check_vlen_dtype(dataset.dtype if field is None else dataset.dtype[field])
    return Stored(dataset.name, field, items if isinstance(items, np.dtype) else None)


def _branch(name: str, dtype: Any, shape: tuple[int, ...]) -> Branch:
    """Describe a column; ``shape`` is that of one entry."""
    import h5py

    inner = h5py.check_vlen_dtype(dtype)
    if h5py.check_string_dtype(dtype) is not None:
        return Branch(name, "unsupported", "lists of string" if shape else "string")
    if inner is not None:
        number = _number(inner) if isinstance(inner, np.dtype) else None
        if number and not shape:
            return Branch(name, "jagged", number)
        return Branch(name, "unsupported", f"nested lists of {inner}" if shape else f"lists of {inner}")
    if dtype.subdtype is not None:
        dtype, more = dtype.subdtype
        shape = (*shape, *more)
    found = _number(dtype)
    if found is None:
        return Branch(name, "unsupported", "objects" if dtype.names else str(dtype))
    if not shape:
        return Branch(name, "flat", found)
    return Branch(name, "jagged", found, width=int(np.prod(shape, dtype=np.int64)))


def _number(dtype: np.dtype[Any]) -> str | None:
    """Return the numpy name under which numbers are given; None for anything else."""
    if dtype.kind == "f":
        return {2: "float32", 4: "float32"}.get(dtype.itemsize, "float64")
    return dtype.newbyteorder("=").name if dtype.kind in "biu" else None


def _common_length(lengths: Mapping[str, int], where: str) -> int:
    counts = Counter(lengths.values()).most_common(2)
    if len(counts) > 1 and counts[0][1] == counts[1][1]:
        shown = few([f"{name} {length}" for name, length in lengths.items()])
        what = f"its data sets have different numbers of entries: {shown}"
        raise FileReadError(what, where=where, hint="one table is a group of data sets of the same length")
    return counts[0][0]


def _hint(found: Mapping[str, str], path: str) -> str:
    if not found:
        return "a table is a group of data sets, one a column, or a data set of a compound type"
    first = next(iter(found))
    return f"tables in the file: {few(list(found))}; choose one by naming it with the file: {path}:{first}"
