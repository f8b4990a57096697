"""The members of objects as branches: numbers, lists of them, and members of members, by the form of the objects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlaas4hep.streaming.readers.base import Kind
from mlaas4hep.streaming.readers.root.arrays import is_number

__all__ = ["STORAGE", "Type", "members_of"]

STORAGE = frozenset({"fBits", "fUniqueID"})
"""Members of TObject, the base of ROOT's classes, that say nothing of an event."""

_REFERENCES = frozenset({"TRef", "TRefArray"})


@dataclass(frozen=True, slots=True)
class Type:
    """What a branch, one of its leaves, or a member of its objects, holds.

    Attributes:
        part: names that lead to the leaf or member; none: the branch itself.
        kind: as in `Branch`, like all that follows.
        dtype: of the numbers, or the type in words.
        width: size of a fixed-size array.
        fault: why it cannot be read.
        lost: true if numbers are missing or damaged.
    """

    part: tuple[str, ...]
    kind: Kind
    dtype: str
    width: int | None = None
    fault: str | None = None
    lost: bool = False


def members_of(form: Any) -> list[Type]:
    """All that is numbers, and what is not, in an awkward form; one without a part if the form is not an object."""
    return list(_walk(form, ()))


def _walk(form: Any, part: tuple[str, ...]) -> Iterator[Type]:
    lists, sizes, inner = 0, [], form
    while inner.is_list and inner.parameter("__array__") is None:
        if inner.is_regular:
            sizes.append(int(inner.size))
        else:
            lists += 1
        inner = inner.content
    if _has_members(inner) and (lists or not sizes):
        wrap = _itself if not lists else _listed if lists == 1 and not sizes else _nested
        for name, content in zip(inner.fields, inner.contents, strict=True):
            if not name.startswith("@") and name not in STORAGE:
                yield from map(wrap, _walk(content, (*part, name)))
    elif not inner.is_numpy or inner.parameter("__array__") is not None or not is_number(np.dtype(inner.primitive)):
        yield Type(part, "unsupported", str(form.type))
    else:
        sizes += inner.inner_shape
        number = Type(part, "flat", np.dtype(inner.primitive).name)
        if sizes:
            number = replace(number, kind="jagged", width=math.prod(sizes))
        yield number if not lists else _listed(number) if lists == 1 else _nested(number)


def _has_members(form: Any) -> bool:
    return bool(form.is_record) and not form.is_tuple and form.parameter("__record__") not in _REFERENCES


def _itself(member: Type) -> Type:
    return member


def _listed(member: Type) -> Type:
    """The member of each object in a list."""
    return replace(member, kind="jagged") if member.kind == "flat" else _nested(member)


def _nested(member: Type) -> Type:
    if member.kind == "unsupported":
        return member
    return replace(member, kind="unsupported", dtype=f"nested lists of {member.dtype}", width=None)
