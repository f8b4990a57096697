"""Settings from a YAML file, the environment and options; what comes later in this order wins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mlaas4hep.config.json_file import read_text
from mlaas4hep.config.places import home
from mlaas4hep.config.problems import Place, config_error, dotted, suggestion
from mlaas4hep.config.yaml_text import load_yaml
from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.settings import Settings

__all__ = ["PREFIX", "load_settings", "variable"]

PREFIX = "MLAAS4HEP_SERVE_"
_PATHS: tuple[Place, ...] = (
    ("repository",),
    ("log_file",),
    ("tls", "certificate"),
    ("tls", "key"),
    ("security", "authorities"),
)
_NOTHING = ("", "null", "none")


def load_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings of a server.

    Args:
        file: YAML with the structure of `Settings`; relative paths in it are relative to the file.
        environment: variables; ``MLAAS4HEP_SERVE_LIMITS__BODY=1MB`` is ``limits.body``. Lists have commas between.
        options: from the command line, by dotted key (``tls.key``); None: not given.

    Raises:
        ConfigError: an unknown key, with the one that may be meant, or a wrong value, with where it came from.
        FileReadError: the file cannot be read.
    """
    sources: dict[Place, str] = {}
    data: dict[str, Any] = _from_file(file) if file else {}
    for place, name, text in _from_environment(environment or {}):
        _set(data, place, _value(text, place), file)
        sources[place] = name
    for key, value in (options or {}).items():
        if value is None:
            continue
        place = tuple(key.split("."))
        _set(data, place, value, file)
        sources[place] = f"--{key.replace('.', '-').replace('_', '-')}"

    def where(place: Place) -> str:
        named = next(
            (name for at, name in sources.items() if place[: len(at)] == at or at[: len(place)] == place), None
        )
        if named:
            return named
        return ": ".join(part for part in (str(file) if file else "settings", dotted(place)) if part)

    try:
        return Settings.model_validate(data)
    except ValidationError as problem:
        raise config_error(problem, file or "settings", Settings, where) from problem


def variable(place: Place) -> str:
    """Return the environment's name of a setting.

    Example:
        >>> variable(("limits", "body"))
        'MLAAS4HEP_SERVE_LIMITS__BODY'
    """
    return PREFIX + "__".join(str(part).upper() for part in place)


def _from_file(file: Path) -> dict[str, Any]:
    data = load_yaml(read_text(file), str(file))
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError("should be a mapping of keys to values", where=str(file))
    folder = file.absolute().parent
    for *above, key in _PATHS:
        section: Any = data
        for part in above:
            section = section.get(part) if isinstance(section, dict) else None
        if isinstance(section, dict) and isinstance(section.get(key), str):
            section[key] = str(folder / home(section[key]))
    return data


def _from_environment(environment: Mapping[str, str]) -> list[tuple[Place, str, str]]:
    known = {variable(place): place for place in _places(Settings)}
    found: list[tuple[Place, str, str]] = []
    for name, text in environment.items():
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            raise ConfigError("unknown variable of the environment", where=name, hint=suggestion(name, known))
        found.append((known[name], name, text))
    return found


def _places(model: type[BaseModel], above: Place = ()) -> list[Place]:
    places: list[Place] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            places += _places(kind, (*above, name))
        else:
            places.append((*above, name))
    return places


def _value(text: str, place: Place) -> str | None:
    """Return None for what may be nothing; everything else is read by the setting's own type."""
    optional = type(None) in get_args(_field(place).annotation)
    return None if optional and text.strip().lower() in _NOTHING else text


def _field(place: Place) -> FieldInfo:
    model: type[BaseModel] = Settings
    for part in place[:-1]:
        inner = model.model_fields[str(part)].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return model.model_fields[str(place[-1])]


def _set(data: dict[str, Any], place: Place, value: Any, file: Path | None) -> None:
    for part in place[:-1]:
        data = data.setdefault(str(part), {})
        if not isinstance(data, dict):
            raise ConfigError("should be a mapping of keys to values", where=f"{file}: {part}")
    data[str(place[-1])] = value
