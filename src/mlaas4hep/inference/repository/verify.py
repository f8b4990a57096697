"""Verification that a version's files are what they were when it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlaas4hep.bundle import load_bundle
from mlaas4hep.bundle.write import record
from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.inference.repository.disk import read_object, write_object
from mlaas4hep.inference.repository.folders import Kind

__all__ = ["CHECKSUMS", "problem_of", "write_checksums"]

CHECKSUMS = "checksums.json"
TRITON = ("model.savedmodel", "model.graphdef", "model.pt", "model.plan", "model.py", "model.xml")


def write_checksums(folder: Path) -> None:
    """Record checksum and size of every file of a converted model in ``checksums.json``."""
    write_object(folder / CHECKSUMS, {"files": _records(folder)})


def problem_of(folder: Path, kind: Kind) -> str:
    """Return what is wrong with a version's folder, "" if nothing is. Reads all files."""
    try:
        if kind == "bundle":
            load_bundle(folder).close()
        elif kind == "converted":
            return _compare(folder)
        elif kind == "unknown":
            return _unknown(folder)
    except MLaaS4HEPError as error:
        return f"{error.what}; {error.hint}" if error.hint else error.what
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    return ""


def _records(folder: Path) -> dict[str, Any]:
    return {
        path.relative_to(folder).as_posix(): record(path).model_dump()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != CHECKSUMS
    }


def _compare(folder: Path) -> str:
    if not (folder / CHECKSUMS).exists():
        return f"{CHECKSUMS} is missing"
    expected = read_object(folder / CHECKSUMS).get("files")
    if not isinstance(expected, dict):
        return f"{CHECKSUMS} has no list of files"
    found = _records(folder)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} does not belong to the model"
        if found[name] != expected[name]:
            return f"{name} is not what it was when the model was uploaded (checksum)"
    return ""


def _unknown(folder: Path) -> str:
    other = next((name for name in TRITON if (folder / name).exists()), None)
    if other is not None:
        return f"{other} is converted only at upload; put an ONNX model or a bundle here"
    return "the folder holds no model.onnx, no bundle and no uploaded model"
