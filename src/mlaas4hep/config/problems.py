"""One line for the user from whatever is wrong in a configuration file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ValidationError

from mlaas4hep.errors import ConfigError
from mlaas4hep.errors.text import nearest

__all__ = ["ConfigWarning", "Place", "config_error", "dotted", "suggestion", "unknown_key"]

Place: TypeAlias = tuple[int | str, ...]
"""Keys and list positions (from 0) from the top of a file to a value."""


_WORDS = {
    "dict_type": "should be a mapping of keys to values",
    "model_type": "should be a mapping of keys to values",
    "path_type": "should be a path",
    "string_unicode": "should be text in UTF-8",
    "tuple_type": "should be a list",
}


class ConfigWarning(UserWarning):
    """A setting that is accepted but means something other than it seems to."""


def dotted(place: Iterable[int | str]) -> str:
    """Return a place as one word.

    Example:
        >>> dotted(("samples", 0, "label"))
        'samples.0.label'
    """
    return ".".join(str(part) for part in place)


def suggestion(key: str, known: Iterable[str]) -> str:
    """Return a hint for a mistyped key: the most similar known one, else all of them."""
    names = list(known)
    near = nearest(key, names)
    return f"did you mean {near!r}?" if near else f"known keys are {', '.join(names)}"


def unknown_key(key: str, known: Iterable[str], where: str) -> ConfigError:
    """Return the error for a key that means nothing, with a suggestion."""
    return ConfigError(f"unknown key {key!r}", where=where, hint=suggestion(key, known))


def config_error(
    problem: ValidationError,
    file: Path | str,
    model: type[BaseModel] | None = None,
    where: Callable[[Place], str] | None = None,
) -> ConfigError:
    """Turn what pydantic found into one line: the file, the dotted key, what is wrong, what to do.

    Args:
        problem: of several problems the first is told, the place of the second is named, more are counted.
        file: the file that was read.
        model: what was validated, for the suggestion at an unknown key.
        where: gives the whole ``where`` for a place, if the file does not have the model's structure.
    """
    found = problem.errors(include_url=False)
    # pydantic calls a list too short if no item of it is valid: that says nothing new.
    within = {error["loc"][:size] for error in found for size in range(1, len(error["loc"]))}
    errors = [error for error in found if error["type"] != "too_short" or error["loc"] not in within]
    # One setting may go to several places, and is wrong only once.
    errors = list({(where(error["loc"]) if where else error["loc"], error["msg"]): error for error in errors}.values())
    # An unknown key is often the cause of a missing one, and the clearer message.
    errors.sort(key=lambda error: error["type"] != "extra_forbidden")

    def told(error: Mapping[str, Any], top: str) -> tuple[str, str, str | None]:
        """Where, what, and what to do."""
        place, what, hint = _told(error, model)
        return where(place) if where else ": ".join(part for part in (top, dotted(place)) if part), what, hint

    at, what, hint = told(errors[0], str(file))
    if len(errors) > 1:
        place, other, _ = told(errors[1], "")
        also = ": ".join(part for part in (place, other) if part)
        more = len(errors) - 2
        count = f"; and {more} more {'problem' if more == 1 else 'problems'}" if more else ""
        also = f"(also {also}{count})"
        what, hint = (what, f"{hint} {also}") if hint else (f"{what} {also}", None)
    return ConfigError(what, where=at, hint=hint)


def _told(error: Mapping[str, Any], model: type[BaseModel] | None) -> tuple[Place, str, str | None]:
    """The place of what is wrong, what it is, and what to do."""
    place: Place = error["loc"]
    if error["type"] == "extra_forbidden":
        key, place = str(place[-1]), place[:-1]
        return place, f"unknown key {key!r}", _hint(key, place, model) if model else None
    if error["type"] == "missing":
        return place[:-1], f"required key {str(place[-1])!r} is missing", None
    return place, _in_words(dict(error)), None


def _in_words(error: dict[str, Any]) -> str:
    kind, message = str(error["type"]), str(error["msg"]).removeprefix("Value error, ")
    if kind == "value_error" and not message.startswith("should "):
        return message
    if kind in {"string_too_short", "too_short"}:
        return "is empty"
    if kind.endswith("_parsing") or kind == "int_from_float":
        message = message.split(", ")[0]
    message = _WORDS.get(kind, message).removeprefix("Input ")
    value = "empty" if error["input"] is None else repr(error["input"])
    shown = value if len(value) <= 60 else f"{value[:57]}..."
    return f"{message}, is {shown}"


def _hint(key: str, place: Place, model: type[BaseModel]) -> str:
    here = _model_at(place, model)
    known = list(here.model_fields) if here else []
    if nearest(key, known):
        return suggestion(key, known)
    elsewhere = {path[-1]: path for path in _all_keys(model) if path[:-1] != place}
    if key not in elsewhere:
        return suggestion(key, known)
    *above, _ = elsewhere[key]
    return f"did you mean {dotted(elsewhere[key])!r}?" if above else f"{key!r} stands at the top of the file, not here"


def _model_at(place: Place, model: type[BaseModel]) -> type[BaseModel] | None:
    found: type[BaseModel] | None = model
    for part in place:
        if isinstance(part, str) and found is not None:
            field = found.model_fields.get(part)
            found = next(_models_in(field.annotation), None) if field else None
    return found


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _all_keys(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        path = (*above, name)
        for inner in _models_in(field.annotation):
            yield from _all_keys(inner, path)
        yield path
