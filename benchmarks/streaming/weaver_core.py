"""weaver-core's loader in an environment of its own, configured to do what we do."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.environments import environment
from benchmarks.streaming.facts import FLAT, JAGGED, Facts, Sums, check
from benchmarks.streaming.measure import Figure
from benchmarks.streaming.sample import CUT, PROCESSES, WEIGHT, Sample, halves

__all__ = ["BATCH", "MODES", "VERSION", "Mode", "measure", "python"]

VERSION, TORCH = "0.5.3", "2.13.0"
BATCH = 1024
SCRIPT = Path(__file__).with_name("weaver_loader.py")
WIDE = 1e9
"""No clipping: we do none."""


@dataclass(frozen=True)
class Mode:
    """How it fetches.

    Attributes:
        key: short name.
        text: for people.
        step: share of all files that it reads at a time, mixed over the files.
        workers: processes; each gets its share of the files of each class.
    """

    key: str
    text: str
    step: float
    workers: int


# Its default, 1 % at a time, decompresses a cluster of these files anew for every percent: a tenth of the speed.
MODES = (
    Mode("10%", "10 % of the events at a time", 0.1, 0),
    Mode("whole", "all at once", 1.0, 0),
    Mode("10%+2", "10 % at a time, 2 workers", 0.1, 2),
    Mode("whole+2", "all at once, 2 workers", 1.0, 2),
)


def python(cache: Path) -> Path:
    """Return its Python.

    Raises:
        Absent: it cannot be installed.
    """
    return environment(cache, "weaver", (f"torch=={TORCH}",), (f"weaver-core=={VERSION}",))


def measure(cache: Path, sample: Sample, warm: Sample, known: Facts, mode: Mode, *, checked: bool) -> Figure:
    """One epoch in a new process; ``checked`` compares the events first."""
    config = sample.signal.with_name(f"weaver_{sample.events}.yaml")
    config.write_text(yaml.safe_dump(_config(sample, known), sort_keys=False), encoding="utf-8")
    jets = [name for name in sample.jagged if name.startswith("Jet_")]
    task = {
        "config": str(config),
        "files": _files(sample),
        "warm": _files(warm),
        "fetch_step": mode.step,
        "workers": mode.workers,
        "batch": BATCH,
        "check": checked,
        "flat": ["flat", sample.flat.index(FLAT)],
        "jagged": ["Jet", jets.index(JAGGED)],
    }
    done = subprocess.run(
        [str(python(cache)), "-P", str(SCRIPT)], input=json.dumps(task), capture_output=True, text=True, check=False
    )
    lines = [line.removeprefix("result: ") for line in done.stdout.splitlines() if line.startswith("result: ")]
    if done.returncode or not lines:
        raise SystemExit(f"weaver-core failed:\n{done.stderr[-2000:]}")
    found = json.loads(lines[0])
    if checked:
        mixed = found["sums"].pop("mixed")
        check(f"weaver-core, {mode.text}", Sums(**found["sums"]), known.sums)
        if mixed < 0.99:
            raise SystemExit(f"weaver-core, {mode.text}: only {mixed:.0%} of the batches hold both classes")
    return Figure(sample.events, float(found["seconds"]))


def _files(sample: Sample) -> dict[str, list[str]]:
    """Two files of each class, so that two workers get one each and their batches are mixed."""
    pairs = zip(("signal", "background"), halves(sample), strict=True)
    return {name: [str(path) for path in paths] for name, paths in pairs}


def _config(sample: Sample, known: Facts) -> dict[str, Any]:
    """Cut, standardisation, lengths, labels by file, and the weight handed on with the batch."""

    def variables(names: list[str]) -> list[list[Any]]:
        return [[name, known.moments[name][0], 1.0 / known.moments[name][1], -WIDE, WIDE, 0.0] for name in names]

    groups: dict[str, list[str]] = {}
    for name in sample.jagged:
        groups.setdefault(name.partition("_")[0], []).append(name)
    inputs: dict[str, Any] = {"flat": {"length": None, "vars": variables(list(sample.flat))}}
    for group, names in groups.items():
        inputs[group] = {"length": sample.jagged[names[0]], "pad_mode": "constant", "vars": variables(names)}
    signal, background = PROCESSES
    return {
        "treename": "Events",
        "selection": f"{CUT[0]} > {CUT[1]}",
        "file_magic": {
            "is_signal": {signal: 1, background: 0},
            "is_background": {signal: 0, background: 1},
        },
        "preprocess": {"method": "manual"},
        "inputs": inputs,
        "labels": {"type": "simple", "value": ["is_signal", "is_background"]},
        "monitor_variables": [WEIGHT],
    }
