"""Names that callers give with their values, against those that a model needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.features.expression import suggestion
from mlaas4hep.inference.events.values import listed, shown

__all__ = ["check_keys", "events_in", "paired"]


def paired(keys: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return values by key.

    Raises:
        BadRequestError: not as many keys as values, a key twice, or one that is not a string.
    """
    if len(keys) != len(values):
        raise BadRequestError(f"{len(keys)} keys and {len(values)} values are given")
    try:
        event = dict(zip(keys, values, strict=True))
    except TypeError:
        raise BadRequestError("a key is not a string") from None
    if len(event) != len(keys):
        twice = [key for key, number in Counter(keys).items() if number > 1]
        raise BadRequestError(f"keys are given more than once: {listed(twice)}")
    return event


def check_keys(
    given: Collection[Any], needed: Collection[str], where: str | None = None, *, optional: Collection[str] = ()
) -> None:
    """Raise BadRequestError if keys are missing, or some are neither needed nor optional; it names them."""
    missing = [name for name in needed if name not in given]
    known = {*needed, *optional}
    unknown = [key for key in given if key not in known]
    if not missing and not unknown:
        return
    parts = [f"keys are missing: {listed(missing)}"] if missing else []
    parts += [f"keys are unknown: {listed(unknown)}"] if unknown else []
    hint = suggestion(str(unknown[0]), missing) if missing and unknown else None
    raise BadRequestError("; ".join(parts), where=where, hint=hint)


def events_in(columns: Mapping[str, Any], names: Iterable[str]) -> int:
    """Return the number of events, which all of these columns have.

    Raises:
        BadRequestError: columns of different lengths, or something else than a column.
    """
    sizes: dict[str, int] = {}
    for name in names:
        column = columns[name]
        try:
            if isinstance(column, str | dict):  # they have a length, too
                raise TypeError
            sizes[name] = len(column)
        except TypeError:
            what = f"{shown(column)} where a list with one entry an event is expected"
            raise BadRequestError(what, where=name) from None
    first, size = next(iter(sizes.items()), ("", 0))
    for name, found in sizes.items():
        if found != size:
            raise BadRequestError(f"{first} has {size} events and {name} has {found}")
    return size
