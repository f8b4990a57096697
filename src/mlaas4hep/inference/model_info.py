"""What is known of a version of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlaas4hep.frameworks.tensors import TensorSpec

__all__ = ["Facts", "ModelInfo"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the files of a version, or the loaded model, say.

    Attributes:
        platform: e.g. ``onnxruntime_onnx``.
        inputs, outputs: tensors of the model itself (for bundles ``features`` and ``scores``).
        batched: true if the first axis counts rows.
        branches: for bundles: names of the branches a client gives, with kind ``flat`` or ``jagged``; else empty.
        classes: class names, if known.
        params: the content of params.json (TFaaS).
        metadata: further facts: description, created, framework, checksum.
        max_batch_size: rows of the largest request clients should send, 0 if rows are not batched; None: not known.
    """

    platform: str = ""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    batched: bool = True
    branches: Mapping[str, str] | None = None
    classes: tuple[str, ...] = ()
    params: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    max_batch_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class ModelInfo(Facts):
    """What clients may know of a version: its facts and its state.

    Attributes:
        name: the model.
        version: a number as text.
        state: READY, LOADING, UNLOADED, FAILED (Triton's UNAVAILABLE is everything but READY).
        reason: why it is not ready.
        on_demand: not in memory, but loaded by the first request for it; clients may ask it as one that is ready.
        labels: of this version: latest, stable, canary, ...
    """

    name: str
    version: str
    state: str
    reason: str = ""
    labels: tuple[str, ...] = ()
    on_demand: bool = False
