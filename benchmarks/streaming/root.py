"""ROOT's own RDataLoader, in an environment of its own, configured to give the events that we give."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.environments import environment
from benchmarks.streaming.facts import FLAT, JAGGED, Facts, Sums, check
from benchmarks.streaming.measure import Figure, Found
from benchmarks.streaming.sample import CUT, WEIGHT, Sample

__all__ = ["VERSION", "measure", "python"]

VERSION = "6.40"
PACKAGES = ("root==0.1a12", "numpy")
BATCH, BUFFER = 1024, 20
SCRIPT = Path(__file__).with_name("root_loader.py")


def python(cache: Path) -> Path:
    """Return its Python.

    Raises:
        Absent: there is no wheel of ROOT for this machine.
    """
    return environment(cache, "root", PACKAGES)


def measure(cache: Path, sample: Sample, warm: Sample, known: Facts, *, checked: bool) -> Found:
    """Measure two epochs in a new process; ``checked`` compares the events first."""
    task = {
        "warm": list(map(str, warm.paths)),
        "files": list(map(str, sample.paths)),
        "columns": list(sample.features),
        "lengths": sample.jagged,
        "target": "is_signal",
        "weight": WEIGHT,
        "cut": f"{CUT[0]} > {CUT[1]}",
        "batch": BATCH,
        "buffer": BUFFER,
        "check": checked,
        "checked": [FLAT, JAGGED],
    }
    command = [str(python(cache)), "-P", str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=False)
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines() if line.startswith(("sums: ", "result: ")))
    if done.returncode or "result" not in lines:
        raise SystemExit(f"ROOT failed:\n{done.stderr[-2000:]}")
    if checked:
        _check(json.loads(lines["sums"]), known)
    steps = zip(("first", "second"), json.loads(lines["result"]), strict=True)
    return {f"root.{step}": Figure(sample.events, seconds) for step, seconds in steps}


def _check(found: dict[str, Any], known: Facts) -> None:
    """Compare the sums; it does not standardise, so this is done with what it gave."""
    values = {}
    for name, key, count in ((FLAT, "flat", "signal"), (JAGGED, "jagged", "jets")):
        mean, deviation = known.moments[name]
        values[key] = (found[key] - mean * found[count]) / deviation
    check("ROOT's RDataLoader", Sums(int(found["rows"]), int(found["signal"]), **values), known.sums)
