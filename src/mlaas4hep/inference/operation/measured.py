"""What Prometheus sees of models and of the process, on top of the counters of the hot paths."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors.serving import ServingError
from mlaas4hep.frameworks.tensors import Tensors
from mlaas4hep.inference.dataplane import DataPlane, Inferred, ModelInfo, Scored
from mlaas4hep.web.telemetry.metrics import SIZES, Family, Histogram, Metrics

__all__ = ["Measured", "gauge_families", "model_families", "process_families"]

Answer = TypeVar("Answer", Scored, Inferred)
DURATIONS = ("queue", "compute_input", "compute_infer", "compute_output")


class Measured:
    """A data plane that times the predictions of another one, by the model and version that answered.

    Args:
        plane: does the work.
        metrics: where it is counted.
    """

    def __init__(self, plane: DataPlane, metrics: Metrics) -> None:
        self._plane = plane
        self._metrics = metrics
        self.info = plane.info
        self.models = plane.models
        self.statistics = plane.statistics

    async def score_events(
        self, model: str | None, events: Sequence[Mapping[str, Any]] | Mapping[str, Any], version: str = ""
    ) -> Scored:
        """See `DataPlane`."""
        return await self._timed(model, version, self._plane.score_events(model, events, version), time.perf_counter())

    async def score_row(
        self, model: str | None, keys: Sequence[str], values: Sequence[Any], version: str = ""
    ) -> Scored:
        """See `DataPlane`."""
        return await self._timed(
            model, version, self._plane.score_row(model, keys, values, version), time.perf_counter()
        )

    async def score_matrix(self, model: str | None, rows: NDArray[np.float32], version: str = "") -> Scored:
        """See `DataPlane`."""
        return await self._timed(model, version, self._plane.score_matrix(model, rows, version), time.perf_counter())

    async def infer(
        self, model: str, inputs: Tensors, outputs: Sequence[str] | None = None, version: str = ""
    ) -> Inferred:
        """See `DataPlane`."""
        return await self._timed(
            model, version, self._plane.infer(model, inputs, outputs, version), time.perf_counter()
        )

    async def score_elsewhere(self, model: str, version: str, work: Callable[[ModelInfo], Awaitable[int]]) -> ModelInfo:
        """See `DataPlane`."""
        start = time.perf_counter()
        try:
            info = await self._plane.score_elsewhere(model, version, work)
        except ServingError as error:
            self._failed(model, version, error)
            raise
        self._metrics.predicted(info.name, info.version, time.perf_counter() - start)
        return info

    def score_row_soon(
        self, model: str | None, keys: Sequence[str], values: Sequence[Any], version: str = ""
    ) -> Scored | Awaitable[Scored]:
        """See `DataPlane`."""
        start = time.perf_counter()
        try:
            scored = self._plane.score_row_soon(model, keys, values, version)
        except ServingError as error:
            self._failed(model, version, error)
            raise
        if not isinstance(scored, Scored):
            return self._timed(model, version, scored, start)
        self._metrics.predicted(scored.model, scored.version, time.perf_counter() - start)
        return scored

    def infer_soon(
        self, model: str, inputs: Tensors, outputs: Sequence[str] | None = None, version: str = ""
    ) -> Inferred | Awaitable[Inferred]:
        """See `DataPlane`."""
        start = time.perf_counter()
        try:
            inferred = self._plane.infer_soon(model, inputs, outputs, version)
        except ServingError as error:
            self._failed(model, version, error)
            raise
        if not isinstance(inferred, Inferred):
            return self._timed(model, version, inferred, start)
        self._metrics.predicted(inferred.model, inferred.version, time.perf_counter() - start)
        return inferred

    async def _timed(self, model: str | None, version: str, work: Awaitable[Answer], start: float) -> Answer:
        try:
            answer = await work
        except ServingError as error:
            self._failed(model, version, error)
            raise
        self._metrics.predicted(answer.model, answer.version, time.perf_counter() - start)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plane, name)

    def _failed(self, model: str | None, version: str, error: ServingError) -> None:
        """Only names and versions that exist become labels: a client cannot fill the memory with others."""
        name = number = ""
        for asked in (version, "") if model else ():
            try:
                info = self._plane.info(model or "", asked)
            except ServingError:
                continue
            name, number = info.name, info.version if asked == version else ""
            break
        self._metrics.failed(name, number, type(error).__name__)


def model_families(statistics: list[dict[str, Any]]) -> list[Family]:
    """Rows, runs, batch sizes and times of each version, from `DataPlane.statistics`."""
    rows = Family("mlaas4hep_model_rows", "counter", "Rows predicted.")
    runs = Family("mlaas4hep_model_runs", "counter", "Runs of the model, each on one batch.")
    counts = Family("mlaas4hep_model_requests", "counter", "Requests that reached the model, by outcome.")
    times = Family("mlaas4hep_model_seconds", "counter", "Seconds spent, by part: queue, compute_input, ...")
    sizes = Family("mlaas4hep_model_batch_rows", "histogram", "Rows of the batches.")
    for one in statistics:
        labels = {"model": str(one["name"]), "version": str(one["version"])}
        rows.set(int(one.get("inference_count", 0)), **labels)
        runs.set(int(one.get("execution_count", 0)), **labels)
        inside = one.get("inference_stats", {})
        for outcome in ("success", "fail"):
            counts.set(int(inside.get(outcome, {}).get("count", 0)), **labels, outcome=outcome)
        for part in DURATIONS:
            times.set(int(inside.get(part, {}).get("ns", 0)) / 1e9, **labels, part=part)
        histogram = Histogram(SIZES)
        for batch in one.get("batch_stats", ()):
            histogram.add(float(batch["batch_size"]), int(batch["compute_infer"]["count"]))
        sizes.set(histogram, **labels)
    return [rows, runs, counts, times, sizes]


def gauge_families(gauges: list[dict[str, Any]], worker: str) -> list[Family]:
    """What each version in memory of one process is at, from `Plane.gauges`."""
    texts = {
        "in_flight": "Requests that the model is answering.",
        "waiting": "Rows that wait for the model.",
        "inline_rows": "Rows up to which requests are run in the event loop, as they were found to be short; 0: none.",
    }
    families = {key: Family(f"mlaas4hep_model_{key}", "gauge", text) for key, text in texts.items()}
    for one in gauges:
        for key, family in families.items():
            family.set(one[key], worker=worker, model=one["name"], version=one["version"])
    return list(families.values())


def process_families(
    models: list[ModelInfo], in_flight: int, connections: int, started: float, worker: str
) -> list[Family]:
    """Gauges of one process; the label tells the processes of a server apart."""
    import psutil

    process = psutil.Process()
    values = {
        "mlaas4hep_requests_in_flight": ("Requests under way.", in_flight),
        "mlaas4hep_connections": ("Open HTTP connections.", connections),
        "mlaas4hep_resident_memory_bytes": ("Memory of the process.", process.memory_info().rss),
        "mlaas4hep_open_files": ("Open file descriptors.", process.num_fds()),
        "mlaas4hep_start_time_seconds": ("Start of the process, seconds since 1970.", started),
    }
    families: list[Family] = []
    for name, (text, value) in values.items():
        family = Family(name, "gauge", text)
        family.set(value, worker=worker)
        families.append(family)
    spent = os.times()
    used = Family("mlaas4hep_cpu_seconds", "counter", "CPU time of the processes.")
    used.set(spent.user + spent.system)
    states = Family("mlaas4hep_models", "gauge", "Versions of models by state.")
    for state in ("READY", "LOADING", "UNLOADED", "FAILED"):
        states.set(sum(info.state == state for info in models), worker=worker, state=state)
    return [*families, used, states]
