"""Rates of reading on a wide toy file, as ratios to uproot alone in the same run. More comes with the work on speed.

Example:
    python benchmarks/run.py --events 100000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uproot

from mlaas4hep.config.workflow import Features, Sample, Training, Workflow
from mlaas4hep.features.split import TRAIN
from mlaas4hep.streaming.dataset import Dataset
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.prepare import opened, prepare

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = ("ggH_tautau", "Z_tautau")


def simulate(folder: Path, events: int) -> list[Path]:
    """Two files of toy events with 25 flat and 52 jagged branches."""
    script = ROOT / "examples" / "simulation" / "fast.py"
    paths = [folder / f"{process}_{events}.root" for process in PROCESSES]
    for process, path in zip(PROCESSES, paths, strict=True):
        options = ["--events", str(events // 2), "--branches", "25,52", "--compression", "ZLIB", "-o", str(path)]
        subprocess.run([sys.executable, str(script), process, *options], check=True, stdout=subprocess.DEVNULL)
    return paths


def raw(paths: Sequence[Path]) -> int:
    """Read everything with uproot alone."""
    return sum(len(chunk) for path in paths for chunk in uproot.iterate(f"{path}:Events", step_size=20_000))


def passes(paths: Sequence[Path]) -> dict[str, tuple[int, float]]:
    """Events and seconds of our first pass, and of one epoch of chunks (60 % of the events)."""
    samples = tuple(Sample(name=path.stem, files=(str(path),), label=index) for index, path in enumerate(paths))
    workflow = Workflow(
        samples=samples,
        features=Features(exclude=("genWeight", "weight"), length={"default": 4}),
        training=Training(model=Path("model.py")),
    )
    with opened(workflow) as files:
        start = time.perf_counter()
        prepared = prepare(workflow, files, Collector())
        first = time.perf_counter() - start
        layout = prepared.layout(workflow, nan=False).layout
        dataset: Any = Dataset(
            files, prepared.pipeline, prepared.scan, layout, prepared.labels.target, chunk_size=10_000
        )
        start = time.perf_counter()
        rows = sum(len(layout.transform(block.raw)) for block in dataset.chunks(TRAIN))
        epoch = time.perf_counter() - start
    read = sum(file.source.entries for file in files)
    return {
        "first pass: specs and split": (read, first),
        f"an epoch: {rows} of them, {layout.width} columns": (read, epoch),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; see ``--help``."""
    parser = argparse.ArgumentParser(description="Rates of reading, as ratios to uproot alone.")
    parser.add_argument("--events", type=int, default=50_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        passes(simulate(Path(folder), 2_000))  # compiles what is compiled
        paths = simulate(Path(folder), options.events)
        raw(paths)
        start = time.perf_counter()
        read = raw(paths)
        reference = read / (time.perf_counter() - start)
        print(f"{'uproot.iterate alone':42} {reference / 1e3:8.1f} kHz  1.00")
        for name, (events, seconds) in passes(paths).items():
            rate = events / seconds
            print(f"{name:42} {rate / 1e3:8.1f} kHz  {rate / reference:.2f}")


if __name__ == "__main__":
    main()
