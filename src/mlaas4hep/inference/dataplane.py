"""The one path from a request, of whatever protocol, to its scores.

Routes decode their bytes, call a method here, and encode what comes back. Choosing the version, the bundle's
expressions and padding, checking shapes, batching, time limits and statistics happen behind these methods.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.tensors import Tensors, TensorSpec

__all__ = ["DataPlane", "Inferred", "ModelInfo", "Scored"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What clients may know of one version of a model.

    Attributes:
        name: the model.
        version: a number as text.
        state: READY, LOADING, UNLOADED, FAILED (Triton's UNAVAILABLE is everything but READY).
        reason: why it is not ready.
        on_demand: not in memory, but loaded by the first request for it; clients may ask it as one that is ready.
        labels: of this version: latest, stable, canary, ...
        platform: e.g. ``onnxruntime_onnx``.
        inputs, outputs: tensors of the model itself (for bundles ``features`` and ``scores``).
        batched: true if the first axis counts rows.
        branches: for bundles: names of the branches a client gives, with kind ``flat`` or ``jagged``; else empty.
        classes: class names, if known.
        params: the content of params.json (TFaaS).
        metadata: further facts: description, created, framework, checksum.
        max_batch_size: rows of the largest request clients should send, 0 if rows are not batched; None: not known.
    """

    name: str
    version: str
    state: str
    reason: str = ""
    labels: tuple[str, ...] = ()
    platform: str = ""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    batched: bool = True
    branches: Mapping[str, str] | None = None
    classes: tuple[str, ...] = ()
    params: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    on_demand: bool = False
    max_batch_size: int | None = None


@dataclass(slots=True, eq=False)
class Scored:
    """Scores of events.

    Attributes:
        scores: float32 [N, K].
        classes: names of the K columns: class names; for a binary bundle the signal's name alone; may be empty.
        model, version: who gave them.
    """

    scores: NDArray[np.float32]
    classes: tuple[str, ...]
    model: str
    version: str


@dataclass(slots=True, eq=False)
class Inferred:
    """Outputs of a model for tensors given by name."""

    outputs: dict[str, NDArray[Any]]
    model: str
    version: str


class DataPlane(Protocol):
    """Protocol-free inference. All errors are `ServingError`."""

    async def score_events(
        self, model: str | None, events: Sequence[Mapping[str, Any]] | Mapping[str, Any], version: str = ""
    ) -> Scored:
        """Scores of events given by branch name: records (a list of dicts) or columns (a dict of arrays or lists).

        Values are raw: numbers, or lists for jagged branches. Missing and unknown keys are errors that name them.
        ``version`` is a number, a label, or "" for the default (which applies the canary split).
        """
        ...

    async def score_row(
        self, model: str | None, keys: Sequence[str], values: Sequence[Any], version: str = ""
    ) -> Scored:
        """Scores of one event given as keys and values in any order (TFaaS).

        For bundles the keys are branch names (values: numbers or lists), or feature columns (``Jet_pt[0]``, ...).
        For models that name their columns, or take several numbers by name, the keys are those names. For other models
        the values go by position, and the keys must be unique and of the same number.
        """
        ...

    async def score_matrix(self, model: str | None, rows: NDArray[np.float32], version: str = "") -> Scored:
        """Scores of raw feature rows, float32 [N, D], by position."""
        ...

    async def infer(
        self, model: str, inputs: Tensors, outputs: Sequence[str] | None = None, version: str = ""
    ) -> Inferred:
        """Run a model on tensors given by name (Open Inference Protocol).

        A bundle also accepts its branches as inputs instead of ``features``: flat ones [N] or [N, 1]; jagged ones
        [N, length] padded with NaN.
        """
        ...

    def score_row_soon(
        self, model: str | None, keys: Sequence[str], values: Sequence[Any], version: str = ""
    ) -> Scored | Awaitable[Scored]:
        """As `score_row`: the scores if they can be had at once, else something to await; both raise its errors."""
        ...

    def infer_soon(
        self, model: str, inputs: Tensors, outputs: Sequence[str] | None = None, version: str = ""
    ) -> Inferred | Awaitable[Inferred]:
        """As `infer`: the outputs if they can be had at once, else something to await; both raise its errors."""
        ...

    async def score_elsewhere(self, model: str, version: str, work: Callable[[ModelInfo], Awaitable[int]]) -> ModelInfo:
        """Count a prediction that is made in another process: the work, given the version, returns how many rows."""
        ...

    def info(self, model: str, version: str = "") -> ModelInfo:
        """One version; "" is the default one. Raises ModelNotFoundError."""
        ...

    def models(self) -> list[ModelInfo]:
        """All versions of all models, ready or not."""
        ...

    def statistics(self, model: str | None = None, version: str = "") -> list[dict[str, Any]]:
        """Counts and times as Triton's ModelStatistics has them, for each version."""
        ...
