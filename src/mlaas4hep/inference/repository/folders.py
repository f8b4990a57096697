"""Folders of models: numbered versions, or (put there by hand) one model without a number."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias

from mlaas4hep.inference.repository.model_json import FILE
from mlaas4hep.inference.repository.names import is_version

__all__ = ["BESIDE", "Kind", "Signature", "has_bare", "kind_of", "numbers", "signature", "version_folder"]

Kind: TypeAlias = Literal["bundle", "converted", "onnx", "unknown"]
Signature: TypeAlias = tuple[tuple[str, int, int, int, int], ...]
BESIDE = frozenset({FILE, "config.pbtxt"})
"""Files of a model's folder that belong to no version."""
MAX_ENTRIES = 10_000
MAX_DEPTH = 16


def kind_of(folder: Path) -> Kind:
    """Return how a version's folder came to be: a bundle, a converted upload, a plain ONNX file, or none of them."""
    if (folder / "manifest.json").exists():
        return "bundle"
    if (folder / "served.json").exists():
        return "converted"
    return "onnx" if (folder / "model.onnx").exists() else "unknown"


def numbers(model: Path) -> list[int]:
    """Return the numbers of the versions that have a folder, ascending."""
    try:
        with os.scandir(model) as entries:
            return sorted(int(entry.name) for entry in entries if is_version(entry.name) and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def has_bare(model: Path) -> bool:
    """Return true if the folder holds a model itself, which then counts as version 1. Numbered folders go before."""
    return kind_of(model) != "unknown" and not numbers(model)


def version_folder(model: Path, version: int) -> Path | None:
    """Return the folder of a version, None if there is none."""
    folder = model / str(version)
    if folder.is_dir():
        return folder
    return model if version == 1 and has_bare(model) else None


def signature(folder: Path, *, bare: bool = False) -> Signature:
    """Return name, times, size and inode of every file: cheap to read, and different after every change.

    Args:
        folder: of a version.
        bare: it is the model's folder itself: files that belong to no version are left out.

    Raises:
        OSError: a file went away in between.
    """
    found: list[tuple[str, int, int, int, int]] = []
    _collect(os.fspath(folder), "", found, BESIDE if bare else frozenset(), 0)
    found.sort()
    return tuple(found)


def _collect(
    folder: str, prefix: str, found: list[tuple[str, int, int, int, int]], leave: frozenset[str], depth: int
) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in leave or len(found) >= MAX_ENTRIES:
                continue
            name = prefix + entry.name
            if entry.is_dir():
                if depth < MAX_DEPTH:
                    _collect(entry.path, f"{name}/", found, frozenset(), depth + 1)
                continue
            stat = entry.stat(follow_symlinks=True) if os.path.exists(entry.path) else entry.stat(follow_symlinks=False)  # noqa: PTH110
            found.append((name, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))
