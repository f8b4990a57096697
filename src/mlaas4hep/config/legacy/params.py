"""``params.json``: the flat keys of the original, and our own ones, read into the structure of `Workflow`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mlaas4hep.config.fields import names_of
from mlaas4hep.config.json_file import read_json
from mlaas4hep.config.legacy.lists import read_lines
from mlaas4hep.config.places import is_file
from mlaas4hep.config.problems import ConfigWarning, Place, dotted, suggestion, unknown_key
from mlaas4hep.errors import ConfigError

__all__ = ["KEYS", "Parameters", "read_params"]

KEYS: dict[str, tuple[str, ...]] = {
    "name": ("name",),
    "nevts": ("events",),
    "branch": ("tree",),
    "label_branch": ("label_branch",),
    "identifier": ("identifier",),
    "variables": ("variables",),
    "selection": ("selection",),
    "hist": ("histograms",),
    "selected_branches": ("features", "include"),
    "exclude_branches": ("features", "exclude"),
    "length": ("features", "length"),
    "quantile": ("features", "quantile"),
    "normalisation": ("features", "normalisation"),
    "normalization": ("features", "normalisation"),
    "missing": ("features", "missing"),
    "impute": ("features", "impute"),
    "mask": ("features", "mask"),
    "weight_branch": ("weights", "branch"),
    "class_balance": ("weights", "balance"),
    "negative_weights": ("weights", "negative"),
    "weights": ("samples", "weight"),
    "split": ("split", "validation"),
    "test": ("split", "test"),
    "chunk_size": ("reading", "chunk_size"),
    "workers": ("reading", "workers"),
    "memory_limit": ("reading", "memory_limit"),
    "cache": ("reading", "cache"),
    "cache_limit": ("reading", "cache_limit"),
    "redirector": ("reading", "redirector"),
    "on_bad_file": ("reading", "on_bad_file"),
    "max_bad": ("reading", "max_bad"),
    "names": ("reading", "names"),
    "separator": ("reading", "separator"),
    "epochs": ("training", "epochs"),
    "batch_size": ("training", "batch_size"),
    "shuffle": ("training", "shuffle"),
    "training": ("training", "order"),
    "early_stopping": ("training", "early_stopping"),
    "seed": ("training", "seed"),
    "threads": ("training", "threads"),
    "task": ("training", "task"),
    "signal": ("training", "signal"),
    "verbose": ("training", "verbose"),
    "importance": ("training", "importance"),
    "metrics": ("training", "threshold"),
    "nan": (),
}
"""Each key of params.json and where its value goes in `Workflow`."""

_DEFAULTS: dict[str, Any] = {"split": 0.3, "test": 0.2, "chunk_size": 1000, "batch_size": 256}
_EMPTY_IS_ABSENT = {
    "branch",
    "name",
    "redirector",
    "separator",
    "hist",
    "weight_branch",
    "label_branch",
    "task",
    "signal",
}

Value: TypeAlias = dict[tuple[str, ...], Any]


@dataclass(frozen=True)
class Parameters:
    """What a params.json says.

    Attributes:
        path: the file.
        sections: the values in the structure of `Workflow`, not yet validated.
        weights: one weight per file, in a list or by the file's name; None if not given.
        keys: for each place in `Workflow` the key it was read from.
    """

    path: Path
    sections: dict[str, Any]
    weights: Any = None
    keys: dict[tuple[str, ...], str] = field(default_factory=dict)

    def where(self, place: Place) -> str:
        """File and key for a place in `Workflow`, for messages."""
        if place[:1] == ("samples",):
            return f"{self.path}: weights" if place[-1] == "weight" else ""
        names = tuple(part for part in place if isinstance(part, str))
        for target in (names[:2], names[:1]):
            if target in self.keys:
                return f"{self.path}: {dotted((self.keys[target], *place[len(target) :]))}"
        return str(self.path)


def read_params(path: Path | None) -> Parameters:
    """Read a params.json and give each value its place in `Workflow`; without one, the defaults.

    A value ``null`` is as good as absent. Warns (`ConfigWarning`) of values with a meaning that may surprise.

    Raises:
        FileReadError: no such file.
        ConfigError: not valid JSON, or an unknown key.
    """
    given = read_json(path) if path else {}
    path = path or Path("params.json")
    for key in given:
        if key not in KEYS:
            raise unknown_key(key, KEYS, str(path))
    if "normalisation" in given and "normalization" in given:
        raise ConfigError("key 'normalisation' is given twice, with two spellings", where=str(path))
    _check_nan(given.get("nan"), f"{path}: nan")
    given = {key: value for key, value in given.items() if value is not None and key != "nan"}
    given = {key: value for key, value in given.items() if not (value == "" and key in _EMPTY_IS_ABSENT)}

    sections: dict[str, Any] = {}
    for key, value in (_DEFAULTS | given).items():
        if key == "weights":
            continue
        for target, part in _READ.get(key, _as_it_is)(key, value, path).items():
            _put(sections, target, part)
    keys = {KEYS[key]: key for key in KEYS if KEYS[key] and (key != "normalization" or key in given)}
    return Parameters(path, sections, given.get("weights"), keys | {("split", "seed"): "seed"})


def _put(sections: dict[str, Any], target: tuple[str, ...], value: Any) -> None:
    for part in target[:-1]:
        sections = sections.setdefault(part, {})
    sections[target[-1]] = value


def _as_it_is(key: str, value: Any, _: Path) -> Value:
    return {KEYS[key]: value}


def _seed(_key: str, value: Any, _: Path) -> Value:
    return {("split", "seed"): value, ("training", "seed"): value}


def _branches(key: str, value: Any, path: Path) -> Value:
    if isinstance(value, str) and "," not in value and value.strip():
        text = value.strip()
        listed = next((place for place in (Path(text), path.parent / text) if is_file(place)), None)
        if listed:
            return {KEYS[key]: [line for _, line in read_lines(listed)]}
        if text.endswith(".txt"):
            raise ConfigError(f"no such file: {text}", where=f"{path}: {key}")
    return {KEYS[key]: names_of(value)}


def _order(key: str, value: Any, path: Path) -> Value:
    if not isinstance(value, str):
        raise ConfigError(f"should be 'standard' or 'chunk', is {value!r}", where=f"{path}: {key}")
    if value not in {"standard", "chunk", ""}:
        warnings.warn(
            f"{path}: {key}: {value!r} is not 'standard', so all epochs go over one chunk, then over the next",
            ConfigWarning,
            stacklevel=2,
        )
    return {KEYS[key]: "standard" if value == "standard" else "chunk"}


def _metrics(key: str, value: Any, path: Path) -> Value:
    report = ("training", "classification_report")
    if isinstance(value, dict):
        for inner in value:
            if inner != "threshold":
                hint = suggestion(inner, ["threshold"])
                raise ConfigError(f"unknown key {inner!r}", where=f"{path}: {key}", hint=hint)
        return {report: True} | ({KEYS[key]: value["threshold"]} if "threshold" in value else {})
    if isinstance(value, str) and value.lower() in {"true", "false", ""}:
        value = value.lower() == "true"
    if not isinstance(value, bool):
        raise ConfigError(f'should be true, false or {{"threshold": 0.5}}, is {value!r}', where=f"{path}: {key}")
    return {report: value}


def _check_nan(value: object, where: str) -> None:
    if value is None or (isinstance(value, str) and value.strip().lower() in {"", "nan", "np.nan"}):
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"should be NaN or a number, is {value!r}", where=where)
    if isinstance(value, int) or not math.isnan(value):
        warnings.warn(
            f"{where}: padding is always NaN here, so {value} is not used; `missing` lists values that mean missing",
            ConfigWarning,
            stacklevel=3,
        )


_READ: dict[str, Callable[[str, Any, Path], Value]] = {
    "selected_branches": _branches,
    "exclude_branches": _branches,
    "metrics": _metrics,
    "seed": _seed,
    "training": _order,
}
