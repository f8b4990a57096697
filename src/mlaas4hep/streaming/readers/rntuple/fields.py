"""The fields of an RNTuple as branches a TTree of the same data would have.

A collection of records ``Jet`` with ``pt`` gives ``Jet_pt`` (jagged) and the count ``nJet`` (flat); a record
``MET`` with ``pt`` gives ``MET_pt`` (``MET.pt`` if there is a field ``MET_pt``); a list ``x`` alone gives ``x`` and the
hidden count ``nx``. Fields that are mere storage of projected ones (``_collection0.Muon_pt`` of ``Muon_pt``) are left
out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.readers.root.arrays import is_number
from mlaas4hep.streaming.readers.root.names import Stored, public_names
from mlaas4hep.streaming.readers.root.objects import STORAGE

__all__ = ["Field", "fields_of"]


@dataclass(frozen=True, slots=True)
class Field:
    """A branch, and the columns it is stored in (-1: none).

    Attributes:
        branch: for users.
        values: column of the numbers.
        lists: column of the ends of each entry's list.
        present: column that tells which numbers are there, for optional ones.
        counts: true if the branch is the length of the lists.
        owner: the field that the lists belong to: the branch itself, or the collection of records it is part of.
        path: how the file calls it.
    """

    branch: Branch
    values: int = -1
    lists: int = -1
    present: int = -1
    counts: bool = False
    owner: str = ""
    path: str = ""


def fields_of(rntuple: Any) -> dict[str, Field]:
    """Return all branches by name, in the order of the file; counts stand before what they count."""
    everything = rntuple.all_fields
    children = _children(rntuple)
    for field in everything:
        if field.field_id not in children and getattr(field, "_fields", []) is None:
            field._fields = []  # else uproot goes through all fields to find that a leaf has no children
    sources = {record.source_field_id for record in rntuple.field_records if record.source_field_id is not None}
    found: list[Field] = []
    for top in rntuple.fields:
        ids = _descendants(top.field_id, children)
        if top.field_id in sources and not (ids - sources - _anonymous(rntuple, ids)):
            continue
        found += _walk(_form(rntuple, top, ids), top.name, _typename(top), top.name)
    return _with_counts(_named(found))


def _named(found: Sequence[Field]) -> list[Field]:
    """The fields by names that do not depend on their order; see `names`."""
    wishes = [Stored(field.path, field.branch.name, field.branch.name) for field in found]
    named = []
    for field, wish, name in zip(found, wishes, public_names(wishes), strict=True):
        branch = replace(
            field.branch,
            name=name,
            stored=None if wish.name == name else wish.name,
            contested=None if wish.short == name else wish.short,
        )
        named.append(replace(field, branch=branch, owner=name if field.owner == wish.short else field.owner))
    return named


def _children(rntuple: Any) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for index, record in enumerate(rntuple.field_records):
        if record.parent_field_id != index:
            children.setdefault(record.parent_field_id, []).append(index)
    return children


def _descendants(field_id: int, children: dict[int, list[int]]) -> set[int]:
    ids = {field_id}
    for child in children.get(field_id, []):
        ids |= _descendants(child, children)
    return ids


def _anonymous(rntuple: Any, ids: set[int]) -> set[int]:
    return {field_id for field_id in ids if rntuple.all_fields[field_id].is_anonymous}


def _typename(field: Any) -> str:
    return str(field.typename) or "a collection of records"


def _form(rntuple: Any, top: Any, ids: set[int]) -> Any:
    """The awkward form of one field, or None if uproot does not know its type."""
    paths = [rntuple.all_fields[field_id].path for field_id in sorted(ids)]
    try:
        return rntuple.field_form(top.field_id, [path for path in paths if path])
    except Exception:
        return None


def _column(form: Any) -> int:
    return int(form.form_key.split("-")[1])


def _walk(form: Any, name: str, typename: str, path: str) -> list[Field]:
    """The branches below a form."""
    if form is None:
        return [Field(Branch(name, "unsupported", typename), path=path)]
    if form.is_record:
        inner = zip(form.fields, form.contents, strict=True)
        return [
            leaf
            for field, content in inner
            if field not in STORAGE
            for leaf in _walk(content, f"{name}_{field}", str(content.type), f"{path}.{field}")
        ]
    if form.is_list and not form.is_regular and form.parameter("__array__") is None:
        return [_listed(leaf, form, name) for leaf in _walk(form.content, name, typename, path)]
    return [replace(_leaf(form, name, typename), path=path)]


def _listed(leaf: Field, form: Any, owner: str) -> Field:
    branch = leaf.branch
    if branch.kind != "flat" or leaf.counts:
        kind = branch.dtype if branch.kind == "unsupported" else f"nested lists of {branch.dtype}"
        return Field(replace(branch, kind="unsupported", dtype=kind, width=None), path=leaf.path)
    return replace(leaf, branch=replace(branch, kind="jagged"), lists=_column(form), owner=owner)


def _leaf(form: Any, name: str, typename: str) -> Field:
    """A number, an optional number or a fixed-size array of either."""
    width: int | None = None
    while form.is_regular:
        width = form.size * (1 if width is None else width)
        form = form.content
    present = -1
    if form.is_option and str(form.form_key).endswith("-optional"):
        present = _column(form)
        form = form.content
    if not form.is_numpy or form.parameter("__array__") is not None or not is_number(np.dtype(form.primitive)):
        return Field(Branch(name, "unsupported", typename))
    dtype = np.dtype(form.primitive)
    if "cardinality" in form.form_key:
        return Field(Branch(name, "flat", dtype.name), lists=_column(form), counts=True)
    if present >= 0 and dtype.kind != "f":
        dtype = np.dtype(np.float64)
    kind = Branch(name, "flat" if width is None else "jagged", dtype.name, width)
    return Field(kind, values=_column(form), present=present)


def _with_counts(found: list[Field]) -> dict[str, Field]:
    """The branches by name, and a count for each collection that has none.

    A count of the one list of its name alone (``nx`` of ``x``) is hidden, as is the counter a TTree would need for it.
    """
    stored = {field.lists for field in found if field.counts}
    owners: dict[int, set[str]] = {}
    for field in found:
        if field.lists >= 0 and not field.counts:
            owners.setdefault(field.lists, set()).add(field.branch.name)
    taken = {field.branch.name for field in found}
    wishes: dict[str, set[int]] = {}
    for field in found:
        if field.lists >= 0 and not field.counts:
            wishes.setdefault(f"n{field.owner}", set()).add(field.lists)
    result: dict[str, Field] = {}
    for field in found:
        name = field.branch.name
        if field.counts:
            hidden = {f"n{owner}" for owner in owners.get(field.lists, set())} == {name}
            field = replace(field, branch=replace(field.branch, hidden=hidden))  # noqa: PLW2901
        elif field.lists >= 0 and field.lists not in stored and (field.owner != name or len(owners[field.lists]) == 1):
            count = f"n{field.owner}"
            if count not in taken and len(wishes[count]) == 1:
                taken.add(count)
                counter = Branch(count, "flat", "int32", hidden=field.owner == name)
                result[count] = Field(counter, lists=field.lists, counts=True)
        result[name] = field
    return result
