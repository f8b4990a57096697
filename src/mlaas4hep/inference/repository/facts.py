"""Facts about a version from its files, without loading it."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mlaas4hep.bundle import Manifest, read_manifest
from mlaas4hep.bundle.clients import largest_batch
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.tensors import Runtime, TensorSpec
from mlaas4hep.inference.model_info import Facts
from mlaas4hep.inference.repository.disk import read_object
from mlaas4hep.inference.repository.folders import Kind
from mlaas4hep.inference.repository.served_json import read_served
from mlaas4hep.inference.repository.triton_config import parse_config
from mlaas4hep.inference.settings import Limits

__all__ = ["batch_for", "classes_of", "facts_of", "with_runtime"]

LOG = logging.getLogger("mlaas4hep.inference")
SOME, TEXT = 128, 64
"""Assumed for an axis of any size, and for the bytes of a text."""
DESCRIBED = ("framework", "kind", "difference", "rows", "reason", "max_batch_size")


def facts_of(folder: Path, kind: Kind) -> Facts:
    """Return the facts in a verified folder.

    Raises:
        BundleError, ModelRefusedError, ValueError, OSError: a description is damaged.
    """
    params = read_object(folder / "params.json") or None
    if kind == "bundle":
        text = (folder / "manifest.json").read_bytes()
        return _of_bundle(read_manifest(text, folder.name), params, hashlib.sha256(text).hexdigest())
    created = datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="seconds")
    if kind != "converted":
        return Facts(
            platform="onnxruntime_onnx",
            classes=labels_in(folder),
            params=params,
            metadata={"created": created},
            max_batch_size=_size_in(folder),
        )
    served = read_served(folder)
    return Facts(
        platform=served.platform,
        inputs=served.inputs,
        outputs=served.outputs,
        batched=served.batched,
        classes=served.classes or labels_in(folder),
        params=served.params or params,
        metadata={**{key: getattr(served, key) for key in DESCRIBED}, "created": created},
        max_batch_size=served.max_batch_size,
    )


def classes_of(manifest: Manifest) -> tuple[str, ...]:
    """Return the names of the columns of a bundle's scores."""
    if manifest.task == "binary":
        return (manifest.signal or manifest.classes[1],)
    return manifest.classes or ((manifest.target,) if manifest.target else ())


def labels_in(folder: Path) -> tuple[str, ...]:
    """Return the lines of ``labels.txt``, none if there is no such file."""
    try:
        text = (folder / "labels.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def with_runtime(facts: Facts, runtime: Runtime, limits: Limits) -> Facts:
    """Return the facts with what the loaded model says of its tensors, and the largest batch that the limits allow.

    What a user said in config.pbtxt is kept.
    """
    size = facts.max_batch_size
    if size is None:
        size = batch_for(runtime.inputs, runtime.outputs, limits)
    return replace(
        facts,
        platform=runtime.platform,
        inputs=runtime.inputs,
        outputs=runtime.outputs,
        batched=runtime.batched,
        max_batch_size=size if runtime.batched else 0,
    )


def batch_for(inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec], limits: Limits | None = None) -> int:
    """Return the rows of the largest request that clients should send; default limits are those of `Limits`."""
    limits = limits or Limits()
    given, answered = (sum(map(_bytes_of_row, specs)) for specs in (inputs, outputs))
    return largest_batch(given, answered, limits.body, limits.rows)


def _bytes_of_row(spec: TensorSpec) -> int:
    """Return the bytes that a tensor takes for each row as it is sent."""
    sizes = [SOME if size < 0 else size for size in spec.shape[1:]]
    return math.prod(sizes) * (TEXT if spec.dtype == "object" else np.dtype(spec.dtype).itemsize)


def _size_in(folder: Path) -> int | None:
    """Return what Triton's config.pbtxt in a version's folder, or in the model's above, says of batches."""
    for file in (folder / "config.pbtxt", folder.parent / "config.pbtxt"):
        try:
            config = parse_config(file.read_text("utf-8", errors="replace"))
        except OSError:
            continue
        except ModelRefusedError as error:
            LOG.warning("%s is not heeded: %s", file, error)
            continue
        return config.max_batch_size if config.says_batch else None
    return None


def _of_bundle(manifest: Manifest, params: dict[str, Any] | None, checksum: str) -> Facts:
    classes = classes_of(manifest)
    given = [entry for entry in manifest.inputs if entry.expression is None]
    return Facts(
        platform="onnxruntime_onnx" if manifest.served == "onnx" else "mlaas4hep",
        inputs=manifest.tensors[:1],
        outputs=manifest.tensors[1:],
        branches={entry.name: entry.kind for entry in given if not entry.selection_only},
        classes=classes,
        params=params,
        metadata={
            "created": manifest.created,
            "framework": manifest.framework,
            "task": manifest.task,
            "checksum": checksum,
            "optional_branches": [entry.name for entry in given if entry.selection_only],
            "computed_branches": [entry.name for entry in given if entry.computed and not entry.selection_only],
            "bundle": {"name": manifest.name, "version": manifest.version},
        },
    )
