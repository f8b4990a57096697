"""What Prometheus sees of models and of the process, on top of the counters of the hot paths."""

from __future__ import annotations

import os
from typing import Any

from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.web.telemetry.metrics import SIZES, Family, Histogram

__all__ = ["gauge_families", "model_families", "process_families"]

DURATIONS = ("queue", "compute_input", "compute_infer", "compute_output")


def model_families(statistics: list[dict[str, Any]]) -> list[Family]:
    """Return rows, runs, batch sizes and times of each version, from `DataPlane.statistics`."""
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
    """Return what each version in memory of one process is doing, from `DataPlane.gauges`."""
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
    """Return the gauges of one process; the label tells the processes of a server apart."""
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
