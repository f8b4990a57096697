"""What an output may replace without being asked: files of its own kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeAlias

__all__ = ["Kind", "replaceable"]

Kind: TypeAlias = Literal[
    "bundle", "model", "specs", "report", "split", "scores", "archive", "log", "folder", "bad files"
]
FILES_OF_A_MODEL = {"model.keras", "model.onnx", "labels.txt", "params.json", "metrics.json"}


def replaceable(kind: Kind, path: Path) -> bool:
    """Tell whether nothing is there, or something of the same kind; bundles are looked at where they are written."""
    if kind in {"bundle", "folder"} or not path.exists():
        return True
    if kind == "model":
        return _is_model(path)
    if kind in {"scores", "archive"}:
        return False
    known = {"specs": _is_specs, "report": _is_report, "split": _is_split, "log": _is_text, "bad files": _is_bad_files}
    return path.stat().st_size == 0 or known[kind](path)


def _is_model(path: Path) -> bool:
    from mlaas4hep.bundle.archive import read_member
    from mlaas4hep.errors import BundleError

    if path.is_dir():
        return {entry.name for entry in path.iterdir()} <= FILES_OF_A_MODEL
    try:
        return read_member(path, "params.json") is not None
    except BundleError:
        return False


def _is_specs(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() >= {"events", "branches", "jdim"}


def _is_bad_files(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() == {"files", "bad_files"}


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return b'<meta name="generator" content="mlaas4hep">' in file.read(4096)


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" not in file.read(4096)


def _is_split(path: Path) -> bool:
    from pyarrow import ArrowException, parquet

    from mlaas4hep.training.events.split_table import NAMES

    try:
        return tuple(parquet.read_schema(path).names) == NAMES
    except (OSError, ArrowException):
        return False
