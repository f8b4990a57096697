"""What clients send beside a model: params.json and labels (TFaaS), config.pbtxt (Triton)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.repository.triton_config import TritonConfig, parse_config

__all__ = ["find_config", "find_labels", "find_params", "specs_in_params"]

SMALL: Final = 2**20


def find_params(folder: Path | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given parameters over those of a params.json in the upload."""
    file = _near(folder, "params.json")
    found: Any = {}
    if file is not None:
        try:
            found = json.loads(file.read_bytes())
        except ValueError as error:
            raise ModelRefusedError(f"params.json cannot be read ({error})") from error
    return {**(found if isinstance(found, dict) else {}), **params}


def find_config(folder: Path | None) -> TritonConfig | None:
    """Return Triton's configuration in the upload."""
    file = _near(folder, "config.pbtxt")
    return None if file is None else parse_config(file.read_text("utf-8", errors="replace"))


def find_labels(folder: Path | None, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return class names: of the labels file in the upload, a line each, or of a list in params.json."""
    listed = params.get("labels")
    if isinstance(listed, list):
        return tuple(str(name) for name in listed)
    names = [Path(listed).name] if isinstance(listed, str) and listed else []
    for name in (*names, "labels.txt", "labels.csv"):
        file = _near(folder, name)
        if file is not None:
            lines = file.read_text("utf-8", errors="replace").splitlines()
            return tuple(line.strip() for line in lines if line.strip())
    return ()


def specs_in_params(params: Mapping[str, Any], side: str) -> tuple[TensorSpec, ...]:
    """Return tensors as ``"inputs": [{"name", "dtype", "shape"}]`` in params.json says; empty if it does not.

    Raises:
        ModelRefusedError: an entry is not complete.
    """
    value = params.get(f"{side}s")
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return ()
    try:
        return tuple(
            TensorSpec(
                str(item["name"]),
                str(item.get("dtype", "float32")),
                tuple(-1 if n is None else int(n) for n in item["shape"]),
            )
            for item in value
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefusedError(f"params.json: an entry of {side}s needs name and shape ({error})") from error


def _near(folder: Path | None, name: str) -> Path | None:
    """Return a small file of this name at the top of the upload, or as near to it as there is one."""
    if folder is None:
        return None
    found = [path for path in folder.rglob(name) if path.is_file() and path.stat().st_size <= SMALL]
    return min(found, key=lambda path: (len(path.parts), path), default=None)
