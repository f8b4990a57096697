"""The table of images and labels, and where each image is."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlaas4hep.errors import FileReadError, LabelError

__all__ = ["LabelledImage", "Table", "read_table"]

NAMES = ("name", "image", "file", "filename", "id")
LABELS = ("label", "class", "target")
SUFFIXES = ("", ".png", ".jpg", ".jpeg")
TRAIN = "train"


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image: the file's name in its folder, the file, the index of its class, and where the table says so."""

    name: str
    path: Path
    y: int
    where: str


@dataclass(frozen=True)
class Table:
    """Images in the order of the table.

    Attributes:
        images: all of them.
        classes: names by index; numbers ascend by value, words by letter.
        unlisted: number of images in the folder that stand in no line.
    """

    images: tuple[LabelledImage, ...]
    classes: tuple[str, ...]
    unlisted: int


def read_table(table: Path, folder: Path) -> Table:
    """Read a csv file with a header and the columns name and label, others are ignored.

    Args:
        table: the csv file.
        folder: holds the images, or a folder ``train`` with them. Names may lack .png or .jpg.

    Raises:
        FileReadError: the table or an image is not there, or the table is not such a table; says in which line.
        LabelError: a label is empty, or there are fewer than two classes.
    """
    if not folder.is_dir():
        raise FileReadError("no such folder", where=str(folder), hint="--fdir names the folder of the images")
    place = folder / TRAIN if (folder / TRAIN).is_dir() else folder
    there = {path.name for path in place.iterdir() if path.suffix.lower() in SUFFIXES[1:]}
    found: dict[str, tuple[Path, str, int]] = {}
    for line, name, label in _rows(table):
        where = f"{table}, line {line}"
        path = _find(place, name, there, where)
        key = path.relative_to(place).as_posix() if path.is_relative_to(place) else name
        if key in found:
            what = f"the image {name} is already in line {found[key][2]}"
            raise FileReadError(what, where=where, hint="give every image one line")
        found[key] = (path, label, line)
    classes = _classes([label for _, label, _ in found.values()], table)
    images = tuple(
        LabelledImage(name, path, classes[label], f"{table}, line {line}")
        for name, (path, label, line) in found.items()
    )
    names = {index: _plain(label) for label, index in reversed(list(classes.items()))}
    return Table(images, tuple(names[index] for index in sorted(names)), len(there - found.keys()))


def _rows(table: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, name and label of every row."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, skipinitialspace=True)
            header = next(rows, None)
            if header is None:
                raise FileReadError("is empty", where=str(table), hint=_HEADER)
            name, label = _column(header, NAMES, table), _column(header, LABELS, table)
            for row in rows:
                if not any(cell.strip() for cell in row):
                    continue
                where = f"{table}, line {rows.line_num}"
                if len(row) <= max(name, label):
                    raise FileReadError(f"has {len(row)} of {len(header)} columns", where=where)
                if not row[label].strip():
                    raise LabelError(f"the image {row[name]} has no label", where=where)
                yield rows.line_num, row[name].strip(), " ".join(row[label].split())
    except UnicodeDecodeError as error:
        raise FileReadError("is not text in UTF-8", where=str(table)) from error
    except csv.Error as error:
        raise FileReadError(f"is not a csv file ({error})", where=str(table)) from error
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise FileReadError(reason, where=str(table), hint="--flabels names a csv file of name,label") from error


_HEADER = "let the first line be: name,label"


def _column(header: Sequence[str], known: Sequence[str], table: Path) -> int:
    names = [cell.strip().lower() for cell in header]
    for name in known:
        if name in names:
            return names.index(name)
    shown = ",".join(header)[:60]
    raise FileReadError(f"the header {shown!r} has no column {known[0]}", where=f"{table}, line 1", hint=_HEADER)


def _find(place: Path, name: str, there: set[str], where: str) -> Path:
    for suffix in SUFFIXES if name else ():
        if name + suffix in there or (place / (name + suffix)).is_file():
            return place / (name + suffix)
    what = f"the image {name} is not in {place}" if name else "the name of the image is empty"
    raise FileReadError(what, where=where, hint="remove the line, or add the file")


def _classes(labels: Sequence[str], table: Path) -> Mapping[str, int]:
    """The index of every label as it is written; 1 and 1.0 are the same class."""
    written = list(dict.fromkeys(labels))
    numbers = [_number(label) for label in written]
    values = [number for number in numbers if number is not None]
    keys: list[Any] = values if len(values) == len(written) else written
    order = {key: index for index, key in enumerate(sorted(set(keys)))}
    if len(order) < 2:
        what = f"there is only one class, {written[0]}" if written else "there is no image"
        raise LabelError(what, where=str(table), hint="images of at least two classes are needed")
    return {label: order[key] for label, key in zip(written, keys, strict=True)}


def _number(label: str) -> float | None:
    try:
        value = float(label)
    except ValueError:
        return None
    return value if value == value else None  # noqa: PLR0124


def _plain(label: str) -> str:
    value = _number(label)
    return str(int(value)) if value is not None and value.is_integer() and abs(value) < 2**53 else label
