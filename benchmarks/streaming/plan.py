"""Which measurements there are, and how each is run: always in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT, Absent, ignored, source_of
from benchmarks.streaming import formats, root, training, weaver_core
from benchmarks.streaming import sample as samples
from benchmarks.streaming.facts import facts
from benchmarks.streaming.measure import Figure, Found

__all__ = ["GROUPS", "TRAININGS", "Sizes", "Task", "tasks"]

GROUPS = ("small", "large", "few", "formats", "train")
OURS = ("ours", "chosen", "one_cluster")
"""Kinds of measurements that another checkout can do as well."""

CODECS = ("ZLIB", "ZSTD")
WARM = 4_000
WIDE = (400, 600)
TRAININGS = 3
"""Rounds with trainings, which take minutes."""
CHOSEN = 20


@dataclass(frozen=True)
class Sizes:
    """Events of the samples, and epochs of the trainings."""

    small: int = 200_000
    large: int = 2_000_000
    few: int = 200_000
    formats: int = 3_000_000
    train: int = 200_000
    epochs: int = 100


@dataclass(frozen=True)
class Task:
    """Something that is run once a round.

    Attributes:
        key: begins with the group.
        run: gives figures by key.
        contest: only the best two of those with this name go on after the first round.
        rounds: no more than these.
        elsewhere: the same with the code of another checkout, if it is ours.
    """

    key: str
    run: Callable[[], Found]
    contest: str = ""
    rounds: int = sys.maxsize
    elsewhere: Callable[[Path], Found] | None = None


def tasks(
    cache: Path, folder: Path, groups: tuple[str, ...], sizes: Sizes, *, weaver: bool, rdataloader: bool
) -> Iterator[Task]:
    """Those of the groups, in the order in which every round goes through them. Samples are made and checked here.

    Args:
        cache: keeps samples and the environments of peers.
        folder: for what is written meanwhile.
        groups: of `GROUPS`.
        sizes: see there.
        weaver: with weaver-core's loader.
        rdataloader: with ROOT's.
    """
    if "small" in groups:
        yield from _small(cache, folder, sizes.small, weaver=weaver, rdataloader=rdataloader)
    if "large" in groups:
        yield from _large(cache, folder, sizes.large)
    if "few" in groups:
        yield from _few(cache, sizes.few)
    if "formats" in groups:
        yield from _formats(cache, sizes.formats)
    if "train" in groups:
        yield from _train(cache, folder, sizes)


def _small(cache: Path, folder: Path, events: int, *, weaver: bool, rdataloader: bool) -> Iterator[Task]:
    yield Task("small.import", lambda: _measured("import", {}, "small."))
    for codec in CODECS:
        task = _reading(cache, folder, events, codec, awkward=True)
        key = f"small.{codec}."
        yield _task(f"{key}raw", "raw", task, key)
        yield _task(f"{key}none", "ours", task | {"cache": "none", "name": "none_"}, key)
        if codec == "ZSTD":
            continue
        yield _task(f"{key}awkward", "awkward", task, key)
        for cached in ("memory", "disk"):
            yield _task(f"{key}{cached}", "ours", task | {"cache": cached, "name": f"{cached}_"}, key)
        yield _task(f"{key}mask", "ours", task | {"cache": "none", "name": "mask_", "mask": True}, key)
        if rdataloader:
            yield from _root(cache, events, codec, key)
        if weaver:
            yield from _weaver(cache, events, codec, key)


def _root(cache: Path, events: int, codec: str, key: str) -> Iterator[Task]:
    try:
        root.python(cache)
    except Absent as problem:
        print(f"ROOT's RDataLoader is left out: {problem}", flush=True)
        return
    sample, small = samples.make(cache, events, codec), samples.make(cache, WARM, codec)
    known = facts(sample, moments=True)
    seen: set[str] = set()

    def run() -> Found:
        found = root.measure(cache, sample, small, known, checked=key not in seen)
        seen.add(key)
        return {f"{key}{name}": figure for name, figure in found.items()}

    yield Task(f"{key}root", run)


def _weaver(cache: Path, events: int, codec: str, key: str) -> Iterator[Task]:
    sample, small = samples.make(cache, events, codec), samples.make(cache, WARM, codec)
    known = facts(sample, moments=True)
    try:
        weaver_core.python(cache)
    except Absent as problem:
        print(f"weaver-core is left out: {problem}", flush=True)
        return
    seen: set[str] = set()

    def run(mode: weaver_core.Mode) -> Found:
        checked = mode.key not in seen
        seen.add(mode.key)
        return {f"{key}weaver.{mode.key}": weaver_core.measure(cache, sample, small, known, mode, checked=checked)}

    for mode in weaver_core.MODES:
        yield Task(f"{key}weaver.{mode.key}", lambda mode=mode: run(mode), "weaver")  # type: ignore[misc]


def _large(cache: Path, folder: Path, events: int) -> Iterator[Task]:
    for codec in CODECS:
        task = _reading(cache, folder, events, codec, awkward=False)
        key = f"large.{codec}."
        yield _task(f"{key}raw", "raw", task, key)
        yield _task(f"{key}none", "ours", task | {"cache": "none", "name": "none_"}, key)
        if codec == "ZLIB":
            yield _task(f"{key}disk", "ours", task | {"cache": "disk", "name": "disk_"}, key)


def _few(cache: Path, events: int) -> Iterator[Task]:
    wide, small = samples.make(cache, events, "ZLIB", WIDE), samples.make(cache, WARM, "ZLIB", WIDE)
    half = CHOSEN // 2
    names = ("MET_pt", *[name for name in wide.flat if name != "MET_pt"][: half - 1], *[*wide.jagged][:half])
    names = tuple(name for name in wide.features if name in names)
    wide, small = replace(wide, chosen=names), replace(small, chosen=names)
    narrow = samples.only(wide)
    for name, which in (("wide", wide), ("narrow", narrow)):
        which.warm()
        task = {"warm": small.to_json(), "sample": which.to_json(), "name": name}
        yield _task(f"few.{name}", "chosen", task, "few.")
        yield _task(f"few.{name}_raw", "raw", task, f"few.{name}_")


def _formats(cache: Path, events: int) -> Iterator[Task]:
    found, small = formats.make(ignored(cache), events), formats.make(ignored(cache), WARM)
    for name in formats.FORMATS:
        for path in found[name]:
            path.read_bytes()
        task = {
            "name": name,
            "events": events,
            "paths": list(map(str, found[name])),
            "warm": list(map(str, small[name])),
        }
        yield _task(f"formats.{name}", "one_cluster", task, "formats.")


def _train(cache: Path, folder: Path, sizes: Sizes) -> Iterator[Task]:
    task = _reading(cache, folder, sizes.train, "ZLIB", awkward=False) | {"validation": training.VALIDATION}
    sample = samples.make(cache, sizes.train, "ZLIB")
    training.write(sample, folder, sizes.epochs)
    _measured("arrays", task, "")
    yield _task("train.read", "ours", task | {"cache": "none", "name": "read_"}, "train.")

    def run(what: Callable[..., Figure], framework: str) -> Found:
        return {f"train.{what.__name__}_{framework}": what(framework, folder, sample.events)}

    for framework in training.FRAMEWORKS:
        for what in (training.direct, training.train):
            key = f"train.{what.__name__}_{framework}"
            yield Task(
                key,
                lambda what=what, framework=framework: run(what, framework),  # type: ignore[misc]
                rounds=TRAININGS,
            )


def _reading(cache: Path, folder: Path, events: int, codec: str, *, awkward: bool) -> dict[str, Any]:
    """What the measurements of one sample need; its values have been checked then."""
    sample, small = samples.make(cache, events, codec), samples.make(cache, WARM, codec)
    sample.warm()
    plain = {"mask": False, "validation": 0.0, "folder": str(folder), "awkward": awkward}
    task = {"warm": small.to_json(), "sample": sample.to_json(), **plain}
    _measured("check", task, "")
    return task


def _task(key: str, kind: str, task: dict[str, Any], prefix: str) -> Task:
    elsewhere = (lambda checkout: _measured(kind, task, prefix, checkout)) if kind in OURS else None
    return Task(key, lambda: _measured(kind, task, prefix), elsewhere=elsewhere)


def _measured(kind: str, task: dict[str, Any], prefix: str, checkout: Path = ROOT) -> Found:
    python, environ = source_of(checkout)
    command = [python, "-m", "benchmarks.streaming.measure", kind]
    done = subprocess.run(
        command, input=json.dumps(task), capture_output=True, text=True, check=False, cwd=checkout, env=environ
    )
    head, _, line = done.stdout.rpartition("result: ")
    if done.returncode:
        raise SystemExit(f"{kind} failed: {head}\n{done.stderr[-3000:]}")
    return {f"{prefix}{name}": Figure(**figure) for name, figure in json.loads(line).items()}
