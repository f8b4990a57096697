"""The page of results."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.streaming import formats, root, training, weaver_core
from benchmarks.streaming.plan import CHOSEN, TRAININGS, Sizes
from benchmarks.streaming.results import BEFORE, Results, number
from benchmarks.streaming.sample import LENGTHS
from benchmarks.streaming.targets import first_read, targets

__all__ = ["Run", "page"]

PACKAGES = ("mlaas4hep", "uproot", "awkward", "numpy", "numba", "keras", "tensorflow-cpu", "torch")

METHOD = f"""Every measurement is a process of its own, which imports, compiles and reads a small sample of the same
branches before its clock starts; the files are in the page cache. The rounds go through all measurements in turn.
Rates are events read a second: median (smallest..largest) of the rounds. Ratios are taken within each round. Before
the first round the events of every contender were counted, and sums of two normalised columns compared with the files.

The sample: `examples/simulation/fast.py`, signal and background in one file each, 25 flat and 52 jagged branches,
padded to {LENGTHS["Jet"]} jets and {LENGTHS["Lepton"]} leptons. All contenders but raw reading cut, standardise, pad,
label, weigh and shuffle, but ROOT does not standardise. Ours and weaver-core's batches mix the classes; the awkward
pipeline's and ROOT's hold one class, as the files do. The awkward pipeline and weaver-core are given means and
deviations, which ours computes in the specs pass. weaver-core and ROOT read neither event numbers nor run. ROOT
compiles code for the columns before its first epoch, which is part of it.

A first pass reads from ROOT. Whoever has a cache on disk waits for it to be written in that pass; a first pass that
keeps nothing is faster. Cached epochs are compared with both. Each is the second pass of its process; the one from
disk finds the file in the page cache, and tries every checksum, which later ones need not.
"""

NAMES = {
    "raw": "`uproot.iterate`, its defaults",
    "none_specs": "ours: specs pass",
    "none_first": "ours: chunks, first pass from ROOT",
    "mask_first": "ours: the same with a mask column for each feature",
    "disk_first": "ours: the same, written to the disk cache",
    "disk_cached": "ours: cached epoch, from disk",
    "memory_cached": "ours: cached epoch, from memory",
    "awkward": "awkward: pad_none, fill_none, to_numpy",
    "root.first": f"ROOT {root.VERSION}, RDataLoader: first epoch, from opening the files",
    "root.second": f"ROOT {root.VERSION}, RDataLoader: second epoch",
}


@dataclass(frozen=True)
class Run:
    """How it was run: command line, rounds, load of the machine before, seconds it took."""

    command: str
    rounds: int
    load: float
    seconds: float


def page(results: Results, sizes: Sizes, run: Run) -> str:
    """RESULTS.md."""
    lines = [
        "# Streaming: measured",
        "",
        f"Written by `python -m benchmarks.streaming.run {run.command}` on {dt.datetime.now(dt.UTC):%Y-%m-%d}:",
        f"{run.rounds} rounds, {run.seconds / 60:.0f} minutes.",
        f"{_machine()}; its load before the start was {run.load:.1f}. {_versions()}.",
        "",
        METHOD,
    ]
    if run.load > 0.5:
        lines += ["The machine had other work: repeat the command above when it is idle.", ""]
    for name, events in (("small", sizes.small), ("large", sizes.large)):
        for codec in ("ZLIB", "ZSTD"):
            if f"{name}.{codec}.raw" in results:
                lines += [f"## {number(events)} events, {codec}", "", *_reading(results, f"{name}.{codec}."), ""]
    lines += [*_memory(results, sizes), *_few(results, sizes), *_formats(results, sizes), *_training(results, sizes)]
    lines += _before(results)
    lines += ["## Targets", "", "| target | measured | |", "|---|--:|---|"]
    lines += [
        f"| {target.text} | {target.value} | {'reached' if target.reached else 'not reached'} |"
        for target in targets(results)
    ]
    lines += [
        "",
        "7. and 8., the same results for any chunks, workers and cache, and faults of the cache, are in `tests/`.",
    ]
    return "\n".join(lines) + "\n"


def _reading(results: Results, key: str) -> Iterator[str]:
    raw = f"{key}raw"
    yield "| | times raw reading | kHz | GB/s of columns |"
    yield "|---|--:|--:|--:|"
    for name, text in NAMES.items():
        if f"{key}{name}" in results:
            yield _row(results, f"{key}{name}", raw, text)
    modes = {f"{key}weaver.{mode.key}": mode.text for mode in weaver_core.MODES}
    most = max((len(results.figures[mode]) for mode in modes if mode in results), default=0)
    for mode, text in modes.items():
        if mode in results:
            once = " (first round only)" if len(results.figures[mode]) < most else ""
            yield _row(results, mode, raw, f"weaver-core {weaver_core.VERSION}, {text}{once}")


def _row(results: Results, key: str, raw: str, text: str) -> str:
    ratio = "1" if key == raw else results.ratio(key, raw).text(lambda value: f"{value:.2f}")
    rate = results.rate(key).text(lambda value: number(value / 1e3))
    size = results.spread(key, lambda figure: figure.bytes / figure.seconds / 1e9).middle
    return f"| {text} | {ratio} | {rate} | {f'{size:.2f}' if size else ''} |"


def _memory(results: Results, sizes: Sizes) -> Iterator[str]:
    rows = [("small.import", "everything imported, nothing read")]
    rows += [(f"{name}.ZLIB.none_first", f"specs and first pass, {number(events)} events, nothing kept")
             for name, events in (("small", sizes.small), ("large", sizes.large))]  # fmt: skip
    rows += [("small.ZLIB.memory_cached", f"two epochs, {number(sizes.small)} events kept in memory")]
    there = [(key, text) for key, text in rows if key in results]
    if there:
        yield from ("## Peak memory", "", "| | MB |", "|---|--:|")
        for key, text in there:
            spread = results.spread(key, lambda figure: figure.peak / 1e6)
            yield f"| {text} | {spread.text(number)} |"
        yield ""


def _few(results: Results, sizes: Sizes) -> Iterator[str]:
    if "few.wide" not in results:
        return
    yield from (f"## {CHOSEN} of 1000 branches, {number(sizes.few)} events", "")
    yield "From opening the files to the end: of reading for uproot, of the first epoch for ours, specs pass included."
    yield from ("", "| | s | times |", "|---|--:|--:|")
    for who, text in (("", "ours"), ("_raw", "`uproot.iterate`")):
        narrow, wide = f"few.narrow{who}", f"few.wide{who}"
        ratio = results.ratio(narrow, wide).text(lambda value: f"{value:.2f}")
        for key, files, times in ((narrow, f"only these {CHOSEN}", "1"), (wide, "1000", ratio)):
            spread = results.spread(key, lambda figure: figure.seconds)
            yield f"| {text}, files with {files} | {spread.text(lambda value: f'{value:.2f}')} | {times} |"
    yield ""


def _formats(results: Results, sizes: Sizes) -> Iterator[str]:
    if "formats.RNTuple_specs" not in results:
        return
    yield from (f"## {number(sizes.formats)} events, TTree and RNTuple", "")
    yield "4 floats and a list, written by uproot: the TTree in baskets of 100 000 events, the RNTuple in one cluster."
    yield f"Processor time with one reading thread, memory limit {formats.LIMIT}, nothing kept between the passes."
    yield from ("", "| | s | times the TTree | peak, MB |", "|---|--:|--:|--:|")
    for step, text in (("specs", "specs pass"), ("chunks", "chunks, first pass")):
        for name in formats.FORMATS:
            key = f"formats.{name}_{step}"
            times = results.ratio(f"formats.TTree_{step}", key).text(lambda value: f"{value:.2f}")
            seconds = results.spread(key, lambda figure: figure.seconds).text(lambda value: f"{value:.2f}")
            peak = results.spread(key, lambda figure: figure.peak / 1e6).text(number)
            yield f"| {name}: {text} | {seconds} | {'1' if name == 'TTree' else times} | {peak} |"
    yield ""


def _training(results: Results, sizes: Sizes) -> Iterator[str]:
    if "train.read_first" not in results:
        return
    yield from ("## Training", "")
    yield f"Dense layers of 128 and 64; {number(sizes.train)} events, {training.VALIDATION:.0%} of them for validation;"
    yield f"{sizes.epochs} epochs in batches of {training.BATCH}. The framework alone: from its import to the last"
    yield f"epoch, arrays in memory. The first {TRAININGS} rounds."
    yield "`train`: the whole command, with specs, figures, report, ONNX and bundle, which do not depend on the epochs."
    yield from ("", "| | times the framework alone | s | waits for data |", "|---|--:|--:|--:|")
    yield f"| first read: specs and first pass | | {number(first_read(results))} | |"
    for framework in training.FRAMEWORKS:
        alone = f"train.direct_{framework}"
        for key, text in ((alone, f"{framework} alone"), (f"train.train_{framework}", f"`train`, {framework}")):
            seconds = results.spread(key, lambda figure: figure.seconds).text(number)
            times = "1" if key == alone else results.ratio(alone, key).text(lambda value: f"{value:.2f}")
            found = [figure.waiting for figure in results.figures[key].values() if figure.waiting is not None]
            yield f"| {text} | {times} | {seconds} | {f'{100 * max(found):.1f} % at most' if found else ''} |"
    yield ""


def _before(results: Results) -> Iterator[str]:
    keys = [key.removeprefix(BEFORE) for key in results.figures if key.startswith(BEFORE)]
    if keys:
        yield from (
            "## Against another checkout",
            "",
            "| | its speed, times | its peak memory, times |",
            "|---|--:|--:|",
        )
    for key in keys:
        ratio = results.ratio(key, f"{BEFORE}{key}").text(lambda value: f"{value:.2f}")
        own, other = (results.spread(name, lambda figure: figure.peak).middle for name in (key, f"{BEFORE}{key}"))
        yield f"| {key} | {ratio} | {f'{own / other:.2f}' if other else ''} |"
    if keys:
        yield ""


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.exists() else None
    model = match[1].strip() if match else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"Machine: {os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()}"


def _versions() -> str:
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)])
