"""Loading of a version: open, warm up, measure. Blocks, so it is done in a thread."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import numpy as np

from mlaas4hep.bundle import Bundle, read_manifest
from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.serving import ModelRefusedError, ModelTimeoutError, ServingError
from mlaas4hep.frameworks.onnx.work import depends_on_values
from mlaas4hep.frameworks.tensors import Runtime, TensorSpec
from mlaas4hep.inference.events.featuriser import Featuriser
from mlaas4hep.inference.events.tensors import RowForm
from mlaas4hep.inference.execution.execution import Execution, blank
from mlaas4hep.inference.execution.inline_limit import SHORT, InlineLimit
from mlaas4hep.inference.execution.statistics import VersionStatistics
from mlaas4hep.inference.models.loaded import LoadedVersion
from mlaas4hep.inference.repository.facts import with_runtime
from mlaas4hep.inference.repository.scan import VersionEntry
from mlaas4hep.inference.settings import Limits, Settings

__all__ = ["OpenRuntime", "load_version"]

MANY = 256
FURTHEST = 4 * MANY
"""Rows for which the two runs that are measured speak; beyond that, requests show it."""
RUNS = 5
ENOUGH = 0.05
"""Seconds after which no further run is measured."""


class OpenRuntime(Protocol):
    """Signature of `mlaas4hep.inference.execution.opening.open_runtime`."""

    def __call__(self, folder: Path, *, threads: int, limits: Limits) -> Runtime:
        """Load the model of one version."""


def load_version(
    entry: VersionEntry, settings: Settings, statistics: VersionStatistics, open_runtime: OpenRuntime
) -> LoadedVersion:
    """Open a version that was verified, and run it once before anybody else does.

    Raises:
        ServingError: it cannot be loaded, or fails on its first run.
    """
    limits = settings.limits
    runtime = open_runtime(entry.folder, threads=settings.threads, limits=limits)
    try:
        featuriser = _featuriser(entry) if entry.kind == "bundle" else None
        rows = _warm_up(runtime, limits, featuriser)
        if rows is not None and depends_on_values(entry.folder / "model.onnx"):
            rows = None  # one request was fast, another may not be
        inline_limit = InlineLimit(f"{entry.name} version {entry.version}", rows or 0, fixed=rows is None)
        form = RowForm(runtime.inputs, runtime.outputs, batched=runtime.batched)
        execution = Execution(runtime, limits, inline_limit, statistics)
        return LoadedVersion(entry, with_runtime(entry.facts, runtime, limits), execution, featuriser, form, statistics)
    except BaseException:
        runtime.close()
        raise


def _featuriser(entry: VersionEntry) -> Featuriser:
    try:
        manifest = read_manifest((entry.folder / "manifest.json").read_bytes(), entry.name)
        featuriser = Featuriser(Bundle(manifest, entry.folder, entry.folder))
        featuriser.warm_up()
    except (MLaaS4HEPError, OSError) as error:
        raise ModelRefusedError(getattr(error, "what", "") or f"the bundle cannot be read ({error})") from error
    return featuriser


def _warm_up(runtime: Runtime, limits: Limits, featuriser: Featuriser | None) -> int | None:
    """Run on zeros (a bundle: on NaN); return the number of rows that are fast enough for the event loop.

    Returns:
        A first estimate; None: no run may ever be made there.
    """
    known = all(-1 not in spec.shape[runtime.batched :] and spec.dtype != "object" for spec in runtime.inputs)
    fill = np.nan if featuriser is not None else 0.0
    try:
        one = _seconds(runtime, 1, fill, limits.timeout)
        if not runtime.platform.startswith("onnxruntime"):
            return None  # a process of its own: waiting for it is not work
        many = _seconds(runtime, MANY, fill, limits.timeout) if runtime.batched and one <= SHORT / 2 else 0.0
    except ModelTimeoutError:
        raise
    except ServingError:
        if known:
            raise
        return None  # sizes or texts that may be anything, but not these
    if not known:
        return None  # sizes of a request may be much larger than those of this run
    if one > SHORT / 2:
        return 0
    if not runtime.batched:
        return 1
    each = max((many - one) / (MANY - 1), 1e-9)
    return max(1, min(FURTHEST, int((SHORT - one) / each)))


def _seconds(runtime: Runtime, rows: int, fill: float, timeout: float) -> float:
    """Return the CPU seconds of the fastest of some runs: a busy machine or interpreter makes none slower."""
    inputs = {spec.name: _values(spec, rows, fill, batched=runtime.batched) for spec in runtime.inputs}
    best = np.inf
    begin = time.perf_counter()
    for _ in range(RUNS):
        started = time.thread_time()
        runtime.run(inputs, None, timeout=timeout)
        best = min(best, time.thread_time() - started)
        if time.perf_counter() - begin > ENOUGH:
            break
    return float(best)


def _values(
    spec: TensorSpec, rows: int, fill: float, *, batched: bool
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    shape = [1 if size < 0 else size for size in spec.shape]
    if batched:
        shape[0] = rows
    values = blank(shape, np.dtype(spec.dtype))
    if values.dtype.kind == "f":
        values.fill(fill)
    return values
