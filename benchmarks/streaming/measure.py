"""One measurement in a process of its own: ``python -m benchmarks.streaming.measure KIND`` with JSON on its input.

It imports, compiles and warms up on a small sample of the same branches before the clock starts. Output is one line of
JSON: figures by name, each with events, seconds, bytes (of float32 columns) and peak (bytes of memory so far).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.streaming.sample import Sample

__all__ = ["KINDS", "Figure", "Found"]


@dataclass(frozen=True)
class Figure:
    """What one step did.

    Attributes:
        events: read.
        seconds: taken.
        bytes: of the float32 columns that came out.
        peak: largest memory of the process and its children until the end of the step.
        waiting: share of the time after the first epoch that a training waited for events, if known.
    """

    events: int
    seconds: float
    bytes: int = 0
    peak: int = 0
    waiting: float | None = None


Found: TypeAlias = dict[str, Figure]


def _touch(chunks: Iterable[tuple[Any, ...]]) -> tuple[int, int]:
    """Rows and bytes of columns; each chunk is looked at."""
    rows = size = 0
    for x, y, weight in chunks:
        if not len(x) == len(y) == len(weight):
            raise SystemExit("columns, labels and weights of different length")
        float(x[0, 0])
        rows, size = rows + len(x), size + x.nbytes
    return rows, size


def raw(task: dict[str, Any]) -> Found:
    """`uproot.iterate` alone."""
    from benchmarks.streaming import peers

    peers.raw(Sample.from_json(task["warm"]))
    start = time.perf_counter()
    events = peers.raw(Sample.from_json(task["sample"]))
    return {"raw": Figure(events, time.perf_counter() - start)}


def checked(task: dict[str, Any]) -> Found:
    """Are the values of ours, and of the awkward pipeline if wanted, those of the files? No time is taken."""
    from benchmarks.streaming import peers
    from benchmarks.streaming.facts import FLAT, JAGGED, Sums, check, facts
    from benchmarks.streaming.ours import session, workflow

    sample = Sample.from_json(task["sample"])
    known = facts(sample, moments=task["awkward"])
    if task["awkward"]:
        pairs = ((x, y) for x, y, _ in peers.awkward_pipeline(sample, known, 0))
        check("the awkward pipeline", Sums.of(pairs, peers.places(sample), 0.0), known.sums)
    with session(workflow(sample)) as own:
        own.specs()
        places, fill = (own.place(FLAT), own.place(JAGGED)), own.fill(JAGGED)
        check("mlaas4hep", Sums.of(((chunk.x, chunk.y) for chunk in own.chunks(0)), places, fill), known.sums)
    return {}


def awkward(task: dict[str, Any]) -> Found:
    """The awkward pipeline."""
    from benchmarks.streaming import peers
    from benchmarks.streaming.facts import facts

    small, sample = Sample.from_json(task["warm"]), Sample.from_json(task["sample"])
    _touch(peers.awkward_pipeline(small, facts(small, moments=True), 0))
    known = facts(sample, moments=True)
    start = time.perf_counter()
    _, size = _touch(peers.awkward_pipeline(sample, known, 0))
    return {"awkward": Figure(sample.events, time.perf_counter() - start, size)}


def ours(task: dict[str, Any]) -> Found:
    """Specs, first epoch, and with a cache a second one."""
    from benchmarks.streaming.ours import peak_memory, session, workflow

    small, sample, cache, name = (
        Sample.from_json(task["warm"]),
        Sample.from_json(task["sample"]),
        task["cache"],
        task["name"],
    )

    def run(which: Sample, folder: Path) -> Iterator[tuple[str, Figure]]:
        settings = workflow(which, cache, folder, mask=task["mask"], validation=task["validation"])
        with session(settings) as own:
            with _timed() as passed:
                own.specs()
            yield "specs", Figure(which.events, passed())
            for epoch, step in enumerate(("first", "cached") if cache != "none" else ("first",)):
                with _timed() as passed:
                    _, size = _touch((chunk.x, chunk.y, chunk.weight) for chunk in own.chunks(epoch))
                yield step, Figure(which.events, passed(), size)

    found: Found = {}
    with tempfile.TemporaryDirectory(dir=task["folder"]) as folder:
        for _ in run(small, Path(folder) / "warm"):
            pass
        for step, figure in run(sample, Path(folder) / "own"):
            found[f"{name}{step}"] = Figure(figure.events, figure.seconds, figure.bytes, peak_memory())
    return found


def chosen(task: dict[str, Any]) -> Found:
    """From opening the files to the end of the first epoch."""
    from benchmarks.streaming.ours import session, workflow

    def run(which: Sample) -> int:
        with session(workflow(which)) as own:
            own.specs()
            return _touch((chunk.x, chunk.y, chunk.weight) for chunk in own.chunks(0))[1]

    run(Sample.from_json(task["warm"]))
    sample = Sample.from_json(task["sample"])
    with _timed() as passed:
        size = run(sample)
    return {task["name"]: Figure(sample.events, passed(), size)}


def arrays(task: dict[str, Any]) -> Found:
    """Transformed events of training and validation as files of numpy."""
    import numpy as np

    from benchmarks.streaming.ours import session, workflow
    from mlaas4hep.features.split import TRAIN, VALIDATION

    with session(workflow(Sample.from_json(task["sample"]), validation=task["validation"])) as own:
        own.specs()
        for part, name in ((TRAIN, "train"), (VALIDATION, "validation")):
            events = own.events(part).load()
            for kind in ("x", "y", "weight"):
                np.save(Path(task["folder"]) / f"{kind}_{name}.npy", getattr(events, kind))
    return {}


def imported(_task: dict[str, Any]) -> Found:
    """Memory when everything is imported and nothing is read."""
    from benchmarks.streaming.ours import peak_memory

    return {"import": Figure(0, 0.0, 0, peak_memory())}


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    """Gives a function that says how many seconds the block took."""
    start = time.perf_counter()
    end: list[float] = []
    try:
        yield lambda: (end[0] if end else time.perf_counter()) - start
    finally:
        end.append(time.perf_counter())


def one_cluster(task: dict[str, Any]) -> Found:
    """Specs and first epoch of one format; processor time, which other work on the machine does not change much."""
    from benchmarks.streaming import formats
    from benchmarks.streaming.ours import peak_memory, session

    def run(paths: list[str]) -> Iterator[tuple[str, int, float]]:
        with session(formats.workflow(paths)) as own:
            start = time.process_time()
            own.specs()
            yield "specs", task["events"], time.process_time() - start
            start = time.process_time()
            rows, _ = _touch((chunk.x, chunk.y, chunk.weight) for chunk in own.chunks(0))
            yield "chunks", rows, time.process_time() - start

    list(run(task["warm"]))
    return {
        f"{task['name']}_{step}": Figure(events, seconds, peak=peak_memory())
        for step, events, seconds in run(task["paths"])
    }


KINDS: dict[str, Callable[[dict[str, Any]], Found]] = {
    "raw": raw,
    "awkward": awkward,
    "check": checked,
    "ours": ours,
    "chosen": chosen,
    "arrays": arrays,
    "one_cluster": one_cluster,
    "import": imported,
}


if __name__ == "__main__":
    result = KINDS[sys.argv[1]](json.loads(sys.stdin.read()))
    print("result: " + json.dumps({name: asdict(figure) for name, figure in result.items()}))
