"""The head of a CSV file: what stands between its columns, and their names."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass

from mlaas4hep.errors import FileReadError

__all__ = ["LINES", "SEPARATORS", "Header", "is_number", "read_header"]

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
"""What may stand between columns, and how it is called; the first of several that fit equally well is taken."""

_COMMA, _POINT = (re.compile(rf"\s*[-+]?\d*{sign}\d+(?:[eE][-+]?\d+)?\s*") for sign in (",", r"\."))

LINES = 20
"""Lines that are looked at for the separator."""


@dataclass(frozen=True)
class Header:
    """Names of the columns, without blanks around them, the character between them, and the decimal sign of numbers."""

    names: tuple[str, ...]
    separator: str
    decimal: str = "."

    @property
    def between(self) -> str:
        """The separator in words, e.g. ``semicolons (;) between columns``."""
        shown = {"\t": "\\t", " ": "' '"}.get(self.separator, self.separator)
        decimal = ", decimal commas" if self.decimal == "," else ""
        return f"{SEPARATORS[self.separator]} ({shown}) between columns{decimal}"


def read_header(lines: Iterable[str], path: str) -> Header:
    """Find the separator and read the names.

    The separator is the one that splits the first lines into the same number of columns, at least two; of several,
    the one that gives most columns, then the first of `SEPARATORS`. A file of one column has commas.

    Args:
        lines: the first lines of the file, the header first.
        path: for messages.

    Raises:
        FileReadError: there is no header, or it names two columns alike.
    """
    found = [line.rstrip("\r\n") for line in lines]
    found = [found[0].lstrip("#").lstrip(), *found[1:]] if found else [""]
    separator = max(SEPARATORS, key=lambda sign: _columns(found, sign))  # the first of the largest
    names = [name.strip() for name in _split(found[0], separator)]
    if not any(names):
        raise FileReadError("has no header line", where=path, hint="the first line must name the columns")
    names = [name or f"Unnamed: {place}" for place, name in enumerate(names)]  # as pandas calls them
    header = Header(tuple(names), separator, _decimal(found[1:], separator))
    if all(map(is_number, names)):
        what = f"has no header line: the first one holds numbers (with {header.between})"
        raise FileReadError(what, where=path, hint="the first line must name the columns")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        what = f"two columns are named {twice!r} (with {header.between})"
        raise FileReadError(what, where=path, hint="rename one in the header")
    return header


def _decimal(lines: list[str], separator: str) -> str:
    """A comma where some number has one and none has a point; never where commas stand between the columns."""
    cells = [cell for line in lines for cell in _split(line, separator)]
    commas, points = (any(sign.fullmatch(cell) for cell in cells) for sign in (_COMMA, _POINT))
    return "," if separator != "," and commas and not points else "."


def _columns(lines: list[str], separator: str) -> int:
    """Number of columns that a separator makes of every line alike; 1 if it does not."""
    counts = {len(_split(line, separator)) for line in lines if line.strip()}
    return counts.pop() if len(counts) == 1 else 1


def _split(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])


def is_number(text: str) -> bool:
    """Say whether a cell holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
