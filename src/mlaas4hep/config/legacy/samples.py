"""Files with their labels in the original's form: one sample a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mlaas4hep.config.legacy.lists import Labels, read_files, read_labels, sample_names
from mlaas4hep.config.places import is_file
from mlaas4hep.config.sections.data import Sample
from mlaas4hep.errors import LabelError

__all__ = ["CMS_REDIRECTOR", "count", "default_redirector", "pair", "read_samples"]

CMS_REDIRECTOR = "root://cms-xrd-global.cern.ch"
"""Where logical names (``/store/...``) are looked for if `redirector` is not given, as in the original."""


def read_samples(
    files: str, labels: str, redirector: str | None = None, *, missing: bool = False
) -> tuple[tuple[Sample, ...], str | None]:
    """Return one sample a file, and the label branch if labels are given as one.

    Raises:
        LabelError: not one label per file.
        ConfigError: no file is given.
        FileReadError: a file named here or in the list does not exist.
    """
    given = read_labels(labels)
    return tuple(
        Sample(**sample) for sample in pair(read_files(files, redirector, missing=missing), given)
    ), given.branch


def pair(files: Sequence[tuple[str, str]], labels: Labels) -> list[dict[str, Any]]:
    """Name, files and label of one sample a file, not yet validated; the label is None where a branch holds it.

    Args:
        files: from `read_files`.
        labels: from `read_labels`.

    Raises:
        LabelError: not one label per file.
    """
    if not labels.branch and labels.values and len(labels.values) != len(files):
        raise LabelError(
            f"{count(len(labels.values), 'label')} for {count(len(files), 'file')}",
            where=labels.where,
            hint="give one label per file, in the same order",
        )
    paths = [path for _, path in files]
    values = labels.values or (None,) * len(paths)
    return [
        {"name": name, "files": (path,), "label": label}
        for name, path, label in zip(sample_names(paths), paths, values, strict=True)
    ]


def default_redirector(paths: Iterable[str]) -> str | None:
    """Return the original's redirector if any of the paths is a logical name, else None."""
    logical = any(path.startswith("/store/") and not is_file(path) for path in paths)
    return CMS_REDIRECTOR if logical else None


def count(number: int, thing: str) -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "label"), count(3, "file")
        ('1 label', '3 files')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
