"""The files that are read: toy events of the documented script, made once and kept by what they were made from."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import awkward as ak
import uproot

from benchmarks.environments import ROOT, ignored

__all__ = ["CUT", "JETS", "LENGTHS", "PROCESSES", "SCRIPT", "WEIGHT", "Sample", "halves", "make", "only"]

SCRIPT = ROOT / "examples" / "simulation" / "fast.py"
PROCESSES = ("ggH_tautau", "Z_tautau")
JETS = "3,10"
LENGTHS = {"Jet": 12, "Lepton": 2}
"""Columns of a jagged branch: the longest list these events can have."""

IDENTIFIER = ("run", "luminosityBlock", "event")
WEIGHT = "weight"
UNUSED = ("genWeight",)
CUT = ("MET_pt", 2.0)
CLUSTER = 20_000


@dataclass(frozen=True)
class Sample:
    """Files of two classes.

    Attributes:
        signal, background: one file of each class, half of the events each.
        events: in both.
        compression: name of it.
        chosen: the features; empty: all that the files have.
    """

    signal: Path
    background: Path
    events: int
    compression: str
    chosen: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, Path]:
        """Signal, background."""
        return self.signal, self.background

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Branches that become columns."""
        if self.chosen:
            return self.chosen
        with uproot.open(self.signal) as file:
            names = [str(name) for name in file["Events"].keys()]  # noqa: SIM118
        return tuple(name for name in names if name not in (*IDENTIFIER, WEIGHT, *UNUSED))

    @property
    def read(self) -> tuple[str, ...]:
        """All branches that are read: features, identifier, weight."""
        return (*IDENTIFIER, WEIGHT, *self.features)

    @property
    def jagged(self) -> dict[str, int]:
        """Number of columns of each jagged branch."""
        pairs = ((name, LENGTHS.get(name.partition("_")[0])) for name in self.features)
        return {name: length for name, length in pairs if length is not None}

    @property
    def flat(self) -> tuple[str, ...]:
        """Features with one number an event."""
        jagged = self.jagged
        return tuple(name for name in self.features if name not in jagged)

    @property
    def width(self) -> int:
        """Feature columns."""
        return len(self.flat) + sum(self.jagged.values())

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return {**asdict(self), "signal": str(self.signal), "background": str(self.background)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Sample:
        """What `to_json` gave."""
        paths = {name: Path(data[name]) for name in ("signal", "background")}
        return Sample(**{**data, **paths, "chosen": tuple(data["chosen"])})

    def warm(self) -> None:
        """Read the bytes once, so that every contender finds them in memory."""
        for path in self.paths:
            with path.open("rb") as file:
                while file.read(1 << 24):
                    pass


def make(cache: Path, events: int, compression: str, branches: tuple[int, int] = (25, 52)) -> Sample:
    """The sample of these parameters, made if it is not there; both files at the same time."""
    folder = ignored(cache) / "samples"
    folder.mkdir(exist_ok=True)
    paths, running = [], []
    start = time.monotonic()
    for seed, process in enumerate(PROCESSES, start=1):
        options = ["--events", str(events // 2), "--seed", str(seed), "--jets", JETS, "--compression", compression]
        options += ["--branches", f"{branches[0]},{branches[1]}", "--chunk-size", str(CLUSTER)]
        key = hashlib.blake2b(SCRIPT.read_bytes() + " ".join(options).encode(), digest_size=6).hexdigest()
        path = folder / f"{process}_{events // 2}_{branches[0]}_{branches[1]}_{compression}_{key}.root"
        paths.append(path)
        if not path.exists():
            command = [sys.executable, str(SCRIPT), process, *options, "-o", str(path)]
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    if any(process.wait() for process in running):
        raise SystemExit("the sample could not be made")
    if running:
        size = sum(path.stat().st_size for path in paths) / 1e6
        print(f"made: {events} events, {compression}, {size:.0f} MB in {time.monotonic() - start:.0f} s", flush=True)
    return Sample(paths[0], paths[1], events // 2 * 2, compression)


def only(sample: Sample) -> Sample:
    """The same events in files that hold the chosen features, identifier and weight, and nothing else."""
    key = hashlib.blake2b(" ".join(sample.read).encode(), digest_size=4).hexdigest()
    paths = [_copy(path, path.with_name(f"{path.stem}_only_{key}.root"), sample.read) for path in sample.paths]
    return replace(sample, signal=paths[0], background=paths[1])


def halves(sample: Sample) -> tuple[tuple[Path, Path], tuple[Path, Path]]:
    """Two files of each class with half of its events each, for loaders that share out files."""
    cut = sample.events // 4
    found = []
    for path in sample.paths:
        first = _copy(path, path.with_name(f"{path.stem}_first.root"), sample.read, stop=cut)
        found.append((first, _copy(path, path.with_name(f"{path.stem}_second.root"), sample.read, start=cut)))
    return found[0], found[1]


def _copy(source: Path, target: Path, names: Sequence[str], *, start: int = 0, stop: int | None = None) -> Path:
    """Some branches of some entries, with the compression and the clusters of the source."""
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return target
    partial = target.with_name(f".{target.name}.part")
    with uproot.open(source) as opened, uproot.recreate(partial, compression=opened.file.compression) as out:
        tree = opened["Events"]
        written: Any = None
        for first in range(start, stop or tree.num_entries, CLUSTER):
            last = min(first + CLUSTER, stop or tree.num_entries)
            chunk = _grouped(tree.arrays(filter_name=list(names), entry_start=first, entry_stop=last, how=dict))
            if written is None:
                written = out.mktree("Events", {name: ak.type(array).content for name, array in chunk.items()})
            written.extend(chunk)
    partial.replace(target)
    return target


def _grouped(arrays: dict[str, Any]) -> dict[str, Any]:
    """Collections as records, so that they are written with one counter each, as they were."""
    found: dict[str, Any] = {}
    fields: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        group, _, field = name.partition("_")
        if group in LENGTHS:
            fields.setdefault(group, {})[field] = array
        else:
            found[name] = array
    for group, columns in fields.items():
        found[group] = ak.zip(columns)
        found.pop(f"n{group}", None)
    return found
