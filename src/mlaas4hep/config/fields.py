"""The short forms a user may write for a value, and what they stand for.

Each type here has one form in memory and accepts further ones on input; the published JSON Schema lists both.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from mlaas4hep.formats import FORMATS

__all__ = [
    "BadLimit",
    "Bytes",
    "Count",
    "Files",
    "FormatName",
    "Label",
    "LabelValue",
    "Lengths",
    "Name",
    "Names",
    "Numbers",
    "Real",
    "Seed",
    "Whole",
    "names_of",
]

Label: TypeAlias = int | float | str

_UNITS = {
    unit: factor**power
    for factor, suffix in ((1000, ""), (1024, "i"))
    for power, letter in enumerate("kmgt", start=1)
    for unit in (f"{letter}{suffix}", f"{letter}{suffix}b")
} | {"": 1, "b": 1}


_NO_NUMBERS = {"nan", "inf", "infinity"}


def names_of(value: object) -> object:
    """Return a list of names from one string with commas; anything else unchanged.

    Example:
        >>> names_of("run, event")
        ['run', 'event']
    """
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        msg = "should be a number, not true or false"
        raise ValueError(msg)
    return value


def _within_64_bits(value: int) -> int:
    """A check of its own: of two bounds in one annotation pydantic keeps one."""
    if not -(2**63) <= value < 2**63:
        msg = "should fit into 64 bits"
        raise ValueError(msg)
    return value


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _numbers(value: object) -> object:
    listed = [value] if isinstance(value, int | float | str) else value
    if isinstance(listed, list | tuple):
        return [item for item in listed if not (isinstance(item, float) and not math.isfinite(item))]
    return listed


def _lengths(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"default": value}
    return value


def _label(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        msg = "should be a name or a number"
        raise ValueError(msg)
    if isinstance(value, float) and not math.isfinite(value):
        msg = "should be a finite number"
        raise ValueError(msg)
    if value == "":
        msg = "is empty"
        raise ValueError(msg)
    if isinstance(value, str) and value.strip().lower().lstrip("+-.") in _NO_NUMBERS:
        msg = "should be a finite number or a name"
        raise ValueError(msg)
    return value


def _count(value: int) -> int:
    if value < 1 and value != -1:
        msg = "should be positive, or -1 for all"
        raise ValueError(msg)
    return value


def _bytes(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str):
        return _no_truth(value)
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", value)
    unit = match[2].lower() if match else "?"
    if match is None or unit not in _UNITS:
        msg = "should be a number of bytes, or a size such as '2 GB' or '500 MiB'"
        raise ValueError(msg)
    return round(float(match[1]) * _UNITS[unit])


Name: TypeAlias = Annotated[str, Field(min_length=1)]
Whole: TypeAlias = Annotated[
    int, AfterValidator(_within_64_bits), BeforeValidator(_no_truth, json_schema_input_type=int)
]
"""An integer; in YAML and JSON ``true`` is not one."""

Real: TypeAlias = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_no_truth, json_schema_input_type=float)]
"""A finite number; in YAML and JSON ``true`` is not one."""

Seed: TypeAlias = Annotated[Whole, Field(ge=0, le=2**32 - 1)]
"""What numpy and all frameworks take as a seed."""

Count: TypeAlias = Annotated[Whole, AfterValidator(_count)]
LabelValue: TypeAlias = Annotated[Label, BeforeValidator(_label, json_schema_input_type=Label)]
Files: TypeAlias = Annotated[tuple[Name, ...], BeforeValidator(_one_or_more, json_schema_input_type=str | list[str])]
Names: TypeAlias = Annotated[tuple[Name, ...], BeforeValidator(names_of, json_schema_input_type=str | list[str])]
Numbers: TypeAlias = Annotated[
    tuple[Annotated[float, BeforeValidator(_no_truth, json_schema_input_type=float)], ...],
    BeforeValidator(_numbers, json_schema_input_type=float | list[float]),
]
Lengths: TypeAlias = Annotated[
    dict[str, Annotated[Whole, Field(ge=1)]], BeforeValidator(_lengths, json_schema_input_type=int | dict[str, int])
]
Bytes: TypeAlias = Annotated[Whole, Field(gt=0), BeforeValidator(_bytes, json_schema_input_type=int | str)]


def _bad_limit(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        msg = "should be a number of files, or a share such as '5 %'"
        raise ValueError(msg)
    text = str(value).replace(" ", "")
    if not re.fullmatch(r"\d+|\d+(\.\d+)?%", text) or (text.endswith("%") and float(text[:-1]) > 100):
        msg = "should be a number of files, or a share such as '5 %'"
        raise ValueError(msg)
    return text if text.endswith("%") else int(text)


BadLimit: TypeAlias = Annotated[int | str, BeforeValidator(_bad_limit, json_schema_input_type=int | str)]
"""A number of files, or a share of all as text that ends with a percent sign."""


def _format(value: str) -> str:
    if value not in FORMATS:
        msg = f"should be {', '.join(map(repr, list(FORMATS)[:-1]))} or {list(FORMATS)[-1]!r}"
        raise ValueError(msg)
    return value


FormatName: TypeAlias = Annotated[
    str, AfterValidator(_format), WithJsonSchema({"enum": list(FORMATS), "type": "string"})
]
"""Name of a format of data files, see `mlaas4hep.formats`."""
