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

_NAME_THEM = "the first line must name the columns, or `reading.names` does"

LINES = 20
"""Lines that are looked at for the separator."""


@dataclass(frozen=True)
class Header:
    """How the lines of a file are to be read.

    Attributes:
        names: of the columns, without blanks around them.
        separator: the character between them.
        decimal: the sign in numbers.
        lines: that stand before the first event: 1, or 0 where the names were given.
    """

    names: tuple[str, ...]
    separator: str
    decimal: str = "."
    lines: int = 1

    def block(self, least: int) -> int:
        """Return bytes that hold some rows, which may be much longer than the names; at the least this many."""
        return max(least, 64 * sum(len(name) + 1 for name in self.names))

    @property
    def between(self) -> str:
        """The separator in words, e.g. ``semicolons (;) between columns``."""
        shown = {"\t": "\\t", " ": "' '"}.get(self.separator, self.separator)
        decimal = ", decimal commas" if self.decimal == "," else ""
        return f"{SEPARATORS[self.separator]} ({shown}) between columns{decimal}"


def read_header(lines: Iterable[str], path: str, given: tuple[str, ...] = (), separator: str | None = None) -> Header:
    """Find the separator and read the names, unless they are given.

    The separator is the one that splits the first lines into the same number of columns, at least two; of several,
    the one that gives most columns, then the first of `SEPARATORS`. A file of one column has commas.

    Args:
        lines: the first lines of the file, the header first.
        path: for messages.
        given: names of the columns of a file without a header; empty: the first line has them.
        separator: that of the file; None: it is found.

    Raises:
        FileReadError: there is no header, or it names two columns alike; or there is one although names are given, or
            there are more or fewer columns than names.
    """
    found = [line.rstrip("\r\n") for line in lines]
    if given:
        return _without_header(found, path, given, separator)
    found = [found[0].lstrip("#").lstrip(), *found[1:]] if found else [""]
    separator = separator or _separator(found)
    names = [name.strip() for name in _split(found[0], separator)]
    if not any(names):
        raise FileReadError("has no header line", where=path, hint=_NAME_THEM)
    names = [name or f"Unnamed: {place}" for place, name in enumerate(names)]  # as pandas calls them
    header = Header(tuple(names), separator, _decimal(found[1:], separator))
    if all(map(is_number, names)):
        what = f"has no header line: the first one holds numbers (with {header.between})"
        raise FileReadError(what, where=path, hint=_NAME_THEM)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        what = f"two columns are named {twice!r} (with {header.between})"
        raise FileReadError(what, where=path, hint="rename one in the header")
    return header


def _without_header(lines: list[str], path: str, names: tuple[str, ...], separator: str | None) -> Header:
    separator = separator or _separator(lines)
    header = Header(names, separator, _decimal(lines, separator), lines=0)
    first = [cell.strip() for cell in _split(lines[0], separator)] if lines else list(names)
    if len(first) != len(names):
        what = f"has {len(first)} columns (with {header.between}), but {len(names)} names are given"
        raise FileReadError(what, where=path, hint="give one name per column")
    if first == list(names) and lines:
        what = "its first line has the names of the columns, which are given, too"
        raise FileReadError(what, where=path, hint="leave out `reading.names`")
    return header


def _separator(lines: list[str]) -> str:
    """Return the separator that makes most columns of every line alike, the first of several."""
    return max(SEPARATORS, key=lambda sign: _columns(lines, sign))


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
