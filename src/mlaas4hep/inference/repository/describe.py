"""What a version says about itself on disk, without being loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlaas4hep.bundle import Manifest, read_manifest
from mlaas4hep.bundle.onnx_graph import INPUT, OUTPUT
from mlaas4hep.inference.repository.disk import read_object
from mlaas4hep.inference.repository.folders import Kind
from mlaas4hep.inference.runtimes.base import Runtime, TensorSpec

__all__ = ["Facts", "classes_of", "describe", "with_runtime"]

DESCRIBED = frozenset({"framework", "kind", "difference", "rows", "reason", "max_batch_size"})


@dataclass(frozen=True, slots=True)
class Facts:
    """See the attributes of `ModelInfo` of the same names."""

    platform: str = ""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    batched: bool = True
    branches: Mapping[str, str] | None = None
    classes: tuple[str, ...] = ()
    params: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None


def describe(folder: Path, kind: Kind) -> Facts:
    """The facts in a verified folder.

    Raises:
        BundleError, ValueError, OSError: a description is damaged.
    """
    params = read_object(folder / "params.json") or None
    if kind == "bundle":
        text = (folder / "manifest.json").read_bytes()
        return _of_bundle(read_manifest(text, folder.name), params, hashlib.sha256(text).hexdigest())
    served = read_object(folder / "served.json")
    found = served.get("params")
    params = found if isinstance(found, dict) and found else params
    classes = served.get("classes") or labels_in(folder)
    return Facts(
        platform=str(served.get("platform") or "onnxruntime_onnx"),
        inputs=tuple(_spec(entry) for entry in served.get("inputs") or ()),
        outputs=tuple(_spec(entry) for entry in served.get("outputs") or ()),
        batched=bool(served.get("batched", True)),
        classes=tuple(str(name) for name in classes),
        params=params,
        metadata={
            **{key: value for key, value in served.items() if key in DESCRIBED},
            "created": datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="seconds"),
        },
    )


def classes_of(manifest: Manifest) -> tuple[str, ...]:
    """Names of the columns of a bundle's scores."""
    if manifest.task == "binary":
        return (manifest.signal or manifest.classes[1],)
    return manifest.classes or ((manifest.target,) if manifest.target else ())


def labels_in(folder: Path) -> list[str]:
    """The lines of ``labels.txt``, none if there is no such file."""
    try:
        text = (folder / "labels.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


def with_runtime(facts: Facts, runtime: Runtime) -> Facts:
    """The facts with what the loaded model says of its tensors."""
    return replace(
        facts,
        platform=runtime.platform,
        inputs=runtime.inputs,
        outputs=runtime.outputs,
        batched=runtime.batched,
    )


def _of_bundle(manifest: Manifest, params: dict[str, Any] | None, checksum: str) -> Facts:
    classes = classes_of(manifest)
    given = [entry for entry in manifest.inputs if entry.expression is None]
    return Facts(
        platform="onnxruntime_onnx" if manifest.served == "onnx" else "mlaas4hep",
        inputs=(TensorSpec(INPUT, "float32", (-1, manifest.layout.width), manifest.layout.columns),),
        outputs=(TensorSpec(OUTPUT, "float32", (-1, manifest.width), classes),),
        branches={entry.name: entry.kind for entry in given if not entry.selection_only},
        classes=classes,
        params=params,
        metadata={
            "created": manifest.created,
            "framework": manifest.framework,
            "task": manifest.task,
            "checksum": checksum,
            "optional_branches": [entry.name for entry in given if entry.selection_only],
            "bundle": {"name": manifest.name, "version": manifest.version},
        },
    )


def _spec(entry: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(
        str(entry["name"]),
        str(entry["dtype"]),
        tuple(int(size) for size in entry["shape"]),
        tuple(str(name) for name in entry.get("columns") or ()),
    )
