"""The page of results."""

from __future__ import annotations

import datetime as dt
import math
import os
import platform
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeAlias

from benchmarks.serving import mlserver, triton
from benchmarks.serving.bodies import BATCH
from benchmarks.serving.cases import Case
from benchmarks.serving.load import Measured
from benchmarks.serving.servers import BEFORE, OURS

__all__ = ["Runs", "Soak", "long_load", "page", "soaked", "targets"]

Runs: TypeAlias = dict[tuple[str, str], list[Measured]]
TWO = f"{OURS}, 2 processes"
MLSERVER, TRITON = "MLServer", "Triton"
PEERS = {
    MLSERVER: f"MLServer {mlserver.VERSION} as pip installs it (no workers, no access log), once more with httptools.",
    TRITON: f"Triton {triton.VERSION}, its Python backend and dynamic batching (the server has threads of its own).",
    BEFORE: "The other checkout is `mlaas4hep` too, in turn with this one.",
}


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
    """Return RESULTS.md; ``earlier`` is what the last page said of a long load, if there is none in this run."""
    rounds = len(next(iter(runs.values())))
    lines = [
        "# Serving: measured",
        "",
        f"Written by `python -m benchmarks.serving.run {command}` on {dt.datetime.now(dt.UTC):%Y-%m-%d}.",
        f"{_machine()}, load generators on the same cores. Medians of {rounds} runs each, the servers in turn;",
        "ratios are taken within each round. One process each, if nothing else is said. `mlaas4hep serve`",
        "has its defaults.",
        *(PEERS[name] for name in PEERS if any(server == name for _, server in runs)),
        "Every server runs the same ONNX network 42x128x128x128x64x64x1x1 with ONNX Runtime, one thread a run.",
        "Before, every kind of request was answered once and compared with ONNX Runtime alone.",
        "Clients: wrk (HTTP), h2load (gRPC), one thread. Processor time is the server's, for one request.",
        "",
    ]
    if load > 0.5:
        what = f"The machine had other work: its load before the start was {load:.1f}."
        lines += [f"{what} Repeat the command above on an idle machine.", ""]
    lines += [
        "| requests | at a time | server | rows/s | p50 ms | p99 ms | processor, µs | ours to it |",
        "|---|--:|---|--:|--:|--:|--:|--:|",
    ]
    for case in chosen:
        lines += [_row(case, name, runs) for key, name in runs if key == case.key]
    lines += [
        "",
        "Where the other server has two processes or instances, ours with two is compared.",
        "TFaaS as published: 400 to 480 requests/s on 16 cores.",
        "",
        "| target | measured | |",
        "|---|--:|---|",
    ]
    lines += [
        f"| {text} | {value} | {'reached' if good else 'not reached'} |" for text, value, good in targets(runs, soak)
    ]
    lines += ["", f"Long load: {soaked(soak)}." if soak else earlier or "No long load in this run."]
    return "\n".join(lines) + "\n"


def _row(case: Case, name: str, runs: Runs) -> str:
    found = runs[case.key, name]
    p50, p99 = median(run.p50 for run in found), median(run.p99 for run in found)
    times = f"{p50:.1f} | {p99:.1f}" if math.isfinite(p50) else "- | -"
    own = TWO if ", 2 " in name and (case.key, TWO) in runs else OURS
    ratio = "" if name in (OURS, TWO) else f"{_ratio(runs, case.key, own, name):.2f}"
    rows = _number(_rate(runs, case.key, name) * case.body.rows)
    cells = (case.text, case.connections * case.streams, name, rows, times, _processor(found), ratio)
    return f"| {' | '.join(map(str, cells))} |"


def _processor(runs: Sequence[Measured]) -> str:
    return _number(median(run.processor / run.requests for run in runs) * 1e6)


def targets(runs: Runs, soak: Soak | None) -> list[tuple[str, str, bool]]:
    """Return what is wanted, what was measured, and whether that is enough; without what this run did not measure."""
    found = []

    def least(text: str, value: Callable[[], float], wanted: float, form: Callable[[float], str]) -> None:
        with suppress(KeyError):
            found.append((f"{text}: at least {form(wanted)}", form(value()), value() >= wanted))

    def times(text: str, keys: tuple[str, str], names: tuple[str, str], wanted: float) -> None:
        least(text, lambda: _ratio(runs, keys[0], *names, keys[1]), wanted, lambda value: f"{value:.2f} times")

    times("single rows, JSON, MLServer's", ("v2", "v2"), (OURS, MLSERVER), 5)
    for name in (OURS, TWO):
        text = f"single rows, JSON, both forms, 64 connections, {name}, requests/s"
        least(text, lambda name=name: min(_rate(runs, key, name) for key in ("v2", "keys")), 15e3, _number)  # type: ignore[misc]
    with suppress(KeyError):
        p99 = max(median(run.p99 for run in runs[key, OURS]) for key in ("v2_200", "keys_200"))
        text = "single rows, JSON, both forms, 200 connections: p99 at most 60 ms"
        found.append((text, f"{p99:.0f} ms", p99 <= 60))
    least("keys with jagged branches, requests/s", lambda: _rate(runs, "events", OURS), 5e3, _number)
    least("the same with computed variables, requests/s", lambda: _rate(runs, "variables", OURS), 5e3, _number)
    times("single rows, gRPC, MLServer's", ("grpc", "grpc"), (OURS, MLSERVER), 2)
    for text, key in (("single rows", "grpc"), ("batches of 4096", "batch_grpc")):
        times(f"{text}, gRPC, Triton's", (key, key), (OURS, TRITON), 1)
        times(
            f"{text}, gRPC, two processes, Triton's with two instances", (key, key), (TWO, f"{TRITON}, 2 instances"), 1
        )
    times("batches of 4096, binary HTTP, MLServer's over gRPC", ("batch", "batch_grpc"), (OURS, MLSERVER), 2.5)
    least("batches of 4096, binary HTTP, rows/s", lambda: _rate(runs, "batch", OURS) * BATCH, 1e6, _number)
    for key, name in runs:
        if name.startswith(BEFORE):
            times(f"{key}, the speed of {name}", (key, key), (name.replace(BEFORE, OURS), name), 0.95)
    errors = sum(run.errors for (_, name), made in runs.items() if name in (OURS, TWO) for run in made)
    errors += soak.errors if soak else 0
    found.append(("no error of our server", str(errors), errors == 0))
    if soak:
        text = f"memory grows by at most 2 % in {soak.seconds:.0f} s of load"
        found.append((text, f"{soak.growth:+.1f} %", soak.growth <= 2))
    return found


def _rate(runs: Runs, key: str, name: str) -> float:
    return median(run.rate for run in runs[key, name])


def _ratio(runs: Runs, key: str, name: str, other: str, theirs: str = "") -> float:
    pairs = zip(runs[key, name], runs[theirs or key, other], strict=True)
    return median(one.rate / two.rate for one, two in pairs)


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
