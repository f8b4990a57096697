"""``preproc.json``: new branches, flat cuts and jagged cuts, read as variables and cuts; or the user's Python file."""

from __future__ import annotations

from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any, Literal

from mlaas4hep.config.fields import names_of
from mlaas4hep.config.json_file import read_json, read_text
from mlaas4hep.config.places import absolute
from mlaas4hep.config.problems import unknown_key
from mlaas4hep.config.sections.selection import Cut, Variable
from mlaas4hep.errors import ConfigError

__all__ = ["Preprocessing", "read_preproc"]

Kind = Literal["flat", "jagged"]
_SECTIONS: dict[str, Kind | None] = {"new_branch": None, "flat_cut": "flat", "jagged_cut": "jagged"}
_KINDS: dict[str, Kind] = {"flat": "flat", "jagged": "jagged"}
_QUANTIFIERS = ("all", "any")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a preproc.json says, or which Python file is given in its place.

    Attributes:
        variables: the new branches, in the order of the file.
        cuts: those of the new branches in order, then the flat, then the jagged ones; an event must pass all.
        exclude: patterns of branches that are not features, each of which matches exactly one name.
        function: the Python file that defines ``preprocessing``, absolute; then all else is empty.
    """

    variables: tuple[Variable, ...] = ()
    cuts: tuple[Cut, ...] = ()
    exclude: tuple[str, ...] = ()
    function: Path | None = None


def read_preproc(path: Path) -> Preprocessing:
    """Read and check a preproc.json; of a Python file only see that it can be read.

    A jagged cut ``["x > 1", "all"]`` becomes the expression ``all(x > 1)``, which is true for an event with an empty
    list; ``any(x > 1)`` is false for it.

    Raises:
        FileReadError: no such file.
        ConfigError: not valid JSON, an unknown section or key, or a value of the wrong form, with file and dotted key.
    """
    if path.suffix == ".py":
        read_text(path)
        return Preprocessing(function=absolute(path, Path.cwd()))
    data = read_json(path)
    variables: list[Variable] = []
    cuts: list[Cut] = []
    excluded: list[str] = []
    for section in data:
        if section not in _SECTIONS:
            raise unknown_key(section, _SECTIONS, str(path))
    for section, kind in _SECTIONS.items():
        for name, content in _object(data.get(section, {}), f"{path}: {section}").items():
            where = f"{path}: {section}.{name}"
            entry = _object(content, where)
            _check_keys(entry, section, where)
            if section == "new_branch":
                variables.append(_variable(name, entry, where))
            cuts += _cuts(entry, kind or _KINDS[entry["type"].lower()], where)
            excluded += _excluded(name, entry, where)
    return Preprocessing(tuple(variables), tuple(cuts), tuple(escape(name) for name in dict.fromkeys(excluded)))


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError("should be an object { ... } of keys and values", where=where)
    return value


def _check_keys(entry: dict[str, Any], section: str, where: str) -> None:
    required = ("def", "type") if section == "new_branch" else ("cut",)
    known = (*dict.fromkeys((*required, "cut")), "remove", "keys_to_remove")
    for key in entry:
        if key not in known and not key.startswith("cut"):
            raise unknown_key(key, known, where)
    for key in required:
        if key not in entry and not (key == "cut" and any(found.startswith("cut") for found in entry)):
            raise ConfigError(f"required key {key!r} is missing", where=where)


def _variable(name: str, entry: dict[str, Any], where: str) -> Variable:
    kind = _KINDS.get(str(entry["type"]).lower())
    if kind is None:
        raise ConfigError(f"should be 'flat' or 'jagged', is {entry['type']!r}", where=f"{where}.type")
    if not name:
        raise ConfigError("a new branch needs a name", where=where)
    return Variable(name=name, expression=_expression(entry["def"], f"{where}.def"), kind=kind)


def _cuts(entry: dict[str, Any], kind: Kind, where: str) -> list[Cut]:
    read = _jagged_cut if kind == "jagged" else _flat_cut
    expressions = [read(value, f"{where}.{key}") for key, value in entry.items() if key.startswith("cut")]
    return [Cut(name=expression, expression=expression) for expression in expressions]


def _flat_cut(value: object, where: str) -> str:
    if isinstance(value, list):
        raise ConfigError(
            'should be an expression such as "0 <= x <= 2", is a list',
            where=where,
            hint="lists are for jagged branches",
        )
    return _expression(value, where)


def _jagged_cut(value: object, where: str) -> str:
    if not isinstance(value, list) or len(value) != 2:
        raise ConfigError(f'should be a list of two, such as ["x > 200", "all"], is {value!r}', where=where)
    quantifier = value[1].lower() if isinstance(value[1], str) else value[1]
    if quantifier not in _QUANTIFIERS:
        raise ConfigError(f"should end with 'all' or 'any', ends with {value[1]!r}", where=where)
    return f"{quantifier}({_expression(value[0], where)})"


def _expression(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"should be an expression in quotes, is {value!r}", where=where)
    return value.strip()


def _excluded(name: str, entry: dict[str, Any], where: str) -> list[str]:
    names = names_of(entry.get("keys_to_remove", []))
    if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
        raise ConfigError(f"should be a list of branches, is {names!r}", where=f"{where}.keys_to_remove")
    remove = entry.get("remove", False)
    text = str(remove).lower() if isinstance(remove, bool | str) else "?"
    if text not in {"true", "false"}:
        raise ConfigError(f'should be "True" or "False", is {remove!r}', where=f"{where}.remove")
    return [name, *names] if text == "true" else names
