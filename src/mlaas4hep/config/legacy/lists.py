"""``files.txt`` and ``labels.txt``, or the comma-separated values given in their place."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlaas4hep.config.fields import Label
from mlaas4hep.config.json_file import read_text
from mlaas4hep.config.places import find, home, is_file, is_remote, split_tree
from mlaas4hep.errors import ConfigError, LabelError
from mlaas4hep.formats import format_of_name, stem_of

__all__ = ["Labels", "label_of", "read_files", "read_labels", "read_lines", "sample_names"]


@dataclass(frozen=True, slots=True)
class Labels:
    """What ``--labels`` says.

    Attributes:
        values: one label per file; empty if a branch holds the labels.
        branch: the branch that holds the labels, or None.
        where: the file or option the labels were read from, for messages.
    """

    values: tuple[Label, ...]
    branch: str | None
    where: str


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Line number (from 1) and text of each line that is neither blank nor a ``#`` comment."""
    lines = ((number, line.strip()) for number, line in enumerate(read_text(path).split("\n"), start=1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def read_files(files: str, redirector: str | None = None, *, missing: bool = False) -> list[tuple[str, str]]:
    """Return the data files, each as (name as written, absolute path or remote name).

    Args:
        files: a file with one path per line, paths separated by commas, one data file (by its suffix), or a folder.
        redirector: see `is_remote`.
        missing: local files that do not exist are no error yet.

    Raises:
        FileReadError: a local file does not exist.
        ConfigError: no file is given.
    """
    cwd = Path.cwd()
    text = files.strip()
    path = home(text)
    file, tree = split_tree(text)
    known = format_of_name(home(file).name) is not None or os.path.isdir(path)  # noqa: PTH112 - which raises nothing
    data = bool(tree) or known or is_remote(text, redirector)
    if "," in text and not is_file(path):
        names = [name.strip() for name in text.split(",")]
        found = [(name, find(name, [cwd], redirector, "--files", missing=missing)) for name in names if name]
    elif data and text:
        found = [(text, find(text, [cwd], redirector, "--files", missing=missing))]
    else:
        folders = [cwd, path.absolute().parent]
        lines = read_lines(path) if text else []
        found = [
            (line, find(line, folders, redirector, f"{text}, line {number}", missing=missing)) for number, line in lines
        ]
    if not found:
        raise ConfigError("no data file is given", where=text or "--files", hint="write one path per line")
    return found


def label_of(text: str) -> Label:
    """An integer stays an integer, a decimal number becomes a float, all else is a class name.

    Example:
        >>> label_of("1"), label_of("0.5"), label_of("ttbar")
        (1, 0.5, 'ttbar')
    """
    if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?", text):
        return float(text)
    return text


def read_labels(labels: str) -> Labels:
    """Labels from a file with one a line, from values separated by commas, or the name of a branch.

    One number is the label of a single file. An empty text means that there are no labels.

    Raises:
        FileReadError: a name that ends in .txt or has a folder is not a file.
        LabelError: the file holds no label.
    """
    text = labels.strip()
    path = home(text)
    if text and is_file(path):
        values = tuple(label_of(line) for _, line in read_lines(path))
        if not values:
            raise LabelError("no label in it", where=text, hint="write one label per line, in the order of the files")
        return Labels(values, None, text)
    if "," in text:
        return Labels(tuple(label_of(part.strip()) for part in text.split(",") if part.strip()), None, "--labels")
    label = label_of(text)
    if not isinstance(label, str):
        return Labels((label,), None, "--labels")
    if path.suffix == ".txt" or "/" in text:
        read_text(path)  # raises: there is no such list
    return Labels((), text or None, "--labels")


def sample_names(files: Sequence[str]) -> list[str]:
    """A name for each file: its name without folder and suffix, and its tree if one is named; unique with ``_2``, ...

    Example:
        >>> sample_names(["a/x.root", "b/x.root"])
        ['x', 'x_2']
        >>> sample_names(["x.root:signal", "x.root:background"])
        ['x_signal', 'x_background']
    """
    stems = [_stem(file) for file in files]
    taken = set(stems)
    counts: dict[str, int] = {}
    names: list[str] = []
    for stem in stems:
        counts[stem] = counts.get(stem, 0) + 1
        name = stem
        while counts[stem] > 1 and name in taken:
            name = f"{stem}_{counts[stem]}"
            counts[stem] += name in taken
        taken.add(name)
        names.append(name)
    return names


def _stem(file: str) -> str:
    path, tree = split_tree(file)
    name = PurePosixPath(path.split("?", maxsplit=1)[0] if "://" in path else path).name
    stem = stem_of(name) or "sample"
    return f"{stem}_{tree.replace('/', '_')}" if tree else stem
