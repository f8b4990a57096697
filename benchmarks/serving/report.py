"""The page of results."""

from __future__ import annotations

import datetime as dt
import math
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeAlias

from benchmarks.serving.cases import Case
from benchmarks.serving.load import Measured
from benchmarks.serving.servers import VERSION

__all__ = ["OURS", "Runs", "Soak", "page", "soaked"]

Runs: TypeAlias = dict[tuple[str, str], list[Measured]]
OURS, TWO, THEIRS = "mlaas4hep", "mlaas4hep, 2 processes", "MLServer"


@dataclass(frozen=True)
class Soak:
    """What a long load showed: seconds, requests, errors, resident memory in MiB early on and at the end (medians)."""

    seconds: float
    requests: int
    errors: int
    before: float
    after: float

    @property
    def growth(self) -> float:
        """Of the memory, in per cent."""
        return 100 * (self.after / self.before - 1)


def soaked(soak: Soak) -> str:
    """A sentence."""
    return (
        f"{soak.requests} requests in {soak.seconds:.0f} s, {soak.errors} errors; resident memory "
        f"{soak.before:.0f} MiB early on, {soak.after:.0f} MiB at the end ({soak.growth:+.1f} %)"
    )


def long_load(text: str) -> str:
    """What an earlier page says of its long load, with that page's date; "" if it had none."""
    said = re.search(r"^Long load.*$", text, re.MULTILINE)
    day = re.search(r" on (\d{4}-\d\d-\d\d)", text)
    if said is None or "(" in said[0].partition(":")[0] or day is None:
        return said[0] if said else ""
    return said[0].replace("Long load:", f"Long load (a run of {day[1]}):", 1)


def page(chosen: Sequence[Case], runs: Runs, soak: Soak | None, command: str, load: float, earlier: str = "") -> str:
    """RESULTS.md; ``earlier`` is what the last page said of a long load, if there is none in this run."""
    rounds = len(next(iter(runs.values())))
    lines = [
        "# Serving: measured",
        "",
        f"Written by `python -m benchmarks.serving.run {command}` on {dt.datetime.now(dt.UTC):%Y-%m-%d}.",
        f"{_machine()}, load generators on the same cores. Medians of {rounds} runs each, the two servers in turn.",
        "One process each, where nothing else is said: `mlaas4hep serve` with its defaults;",
        f"MLServer {VERSION} as pip installs it (no parallel",
        "workers, no access log), once more with httptools; a runtime of a few lines around the same ONNX network",
        "42x128x128x128x64x64x1x1, one thread a run. Before, every kind of request was answered once and compared with",
        "ONNX Runtime alone.",
        "Clients: wrk (HTTP), h2load (gRPC), one thread. MLServer has no binary HTTP; its batches go over gRPC.",
        "",
    ]
    if load > 0.5:
        what = f"The machine had other work: its load before the start was {load:.1f}."
        lines += [f"{what} Repeat the command above on an idle machine.", ""]
    lines += [
        "| requests | at a time | server | rows/s | p50 ms | p99 ms | ours to it |",
        "|---|--:|---|--:|--:|--:|--:|",
    ]
    for case in chosen:
        for name in (OURS, *case.others):
            if (case.key, name) in runs:
                lines.append(_row(case, name, runs))
    lines += [
        "",
        "TFaaS as published: 400 to 480 requests/s on 16 cores.",
        "",
        "| target | measured | |",
        "|---|--:|---|",
    ]
    lines += [
        f"| {text} | {value} | {'reached' if good else 'not reached'} |" for text, value, good in _targets(runs, soak)
    ]
    lines += ["", f"Long load: {soaked(soak)}." if soak else earlier or "No long load in this run."]
    return "\n".join(lines) + "\n"


def _row(case: Case, name: str, runs: Runs) -> str:
    found = runs[case.key, name]
    p50, p99 = median(run.p50 for run in found), median(run.p99 for run in found)
    times = f"{p50:.1f} | {p99:.1f}" if math.isfinite(p50) else "- | -"
    ratio = "" if name in (OURS, TWO) else f"{_rate(runs, case.key) / _rate(runs, case.key, name):.1f}"
    rows = _number(_rate(runs, case.key, name) * case.body.rows)
    return f"| {case.text} | {case.connections * case.streams} | {name} | {rows} | {times} | {ratio} |"


def _targets(runs: Runs, soak: Soak | None) -> list[tuple[str, str, bool]]:
    from benchmarks.serving.bodies import BATCH

    json_ratio = _rate(runs, "v2") / _rate(runs, "v2", THEIRS)
    grpc_ratio = _rate(runs, "grpc") / _rate(runs, "grpc", THEIRS)
    batch_ratio = _rate(runs, "batch") / _rate(runs, "batch_grpc", THEIRS)
    one, two = (min(_rate(runs, key, name) for key in ("v2", "keys")) for name in (OURS, TWO))
    p99 = max(median(run.p99 for run in runs[key, OURS]) for key in ("v2_200", "keys_200"))
    jagged, variables = _rate(runs, "events"), _rate(runs, "variables")
    rows = _rate(runs, "batch") * BATCH
    errors = sum(run.errors for (_, name), found in runs.items() if name in (OURS, TWO) for run in found)
    errors += soak.errors if soak else 0
    targets = [
        ("single rows, JSON: at least 5 times MLServer", f"{json_ratio:.1f}", json_ratio >= 5),
        ("single rows, JSON: at least 15 000/s at 64 connections, both forms, one process", _number(one), one >= 15e3),
        (
            "single rows, JSON: at least 15 000/s at 64 connections, both forms, two processes",
            _number(two),
            two >= 15e3,
        ),
        ("single rows, JSON: p99 at most 60 ms at 200 connections, both forms", f"{p99:.0f} ms", p99 <= 60),
        ("keys with jagged branches: at least 5 000/s", _number(jagged), jagged >= 5_000),
        ("the same with computed variables: at least 5 000/s", _number(variables), variables >= 5_000),
        ("single rows, gRPC: at least twice MLServer", f"{grpc_ratio:.1f}", grpc_ratio >= 2),
        (
            "batches of 4096, binary HTTP: at least 2.5 times MLServer's over gRPC",
            f"{batch_ratio:.1f}",
            batch_ratio >= 2.5,
        ),
        ("batches of 4096, binary HTTP: at least 1 million rows/s", _number(rows), rows >= 1e6),
        ("no error of our server", str(errors), errors == 0),
    ]
    if soak:
        text = f"memory grows by at most 2 % in {soak.seconds:.0f} s of load"
        targets.append((text, f"{soak.growth:+.1f} %", soak.growth <= 2))
    return targets


def _rate(runs: Runs, key: str, name: str = OURS) -> float:
    return median(run.rate for run in runs[key, name])


def _number(value: float) -> str:
    """Three digits that count, thousands apart."""
    return f"{float(f'{value:.3g}'):,.0f}".replace(",", " ")


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.exists() else None
    model = match[1].strip() if match else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = os.cpu_count() or 1
    return (
        f"Machine: {cores} cores ({model}), {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
    )
