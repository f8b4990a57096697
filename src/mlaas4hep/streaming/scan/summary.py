"""Specs of files without a training: every event counts, no labels, no split."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from mlaas4hep.config.parts import EventSettings
from mlaas4hep.errors import BranchReadError
from mlaas4hep.errors.findings import Findings
from mlaas4hep.features.cutflow import render
from mlaas4hep.features.statistics.branch import number_text
from mlaas4hep.features.statistics.sentinels import warning_of
from mlaas4hep.features.statistics.specs import Specs, legacy_specs
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.ranges import FileRange
from mlaas4hep.streaming.scan.branches import choose_branches
from mlaas4hep.streaming.scan.pipeline import Pipeline, Selected
from mlaas4hep.streaming.scan.result import Scan, cutflows_of
from mlaas4hep.streaming.scan.scan import scan

__all__ = ["FileSpecs", "Scanned", "scan_specs"]


@dataclass(frozen=True)
class FileSpecs:
    """Specs over all events that pass the cuts.

    Attributes:
        specs: of all branches that can be read.
        events: how many are in each file.
        unreadable: branches that cannot be read, with what is wrong.
    """

    specs: Specs
    events: dict[str, int]
    unreadable: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The original's keys, under `branches` all figures of each branch, and under `unreadable` what has none."""
        figures = {**legacy_specs(self.specs, self.events), "branches": self.specs.to_json()["branches"]}
        return {**figures, "unreadable": self.unreadable} if self.unreadable else figures

    def render(self) -> str:
        """Return a table for people: branch, kind, dimension, range as stored, mean, missing values."""
        header = ("branch", "kind", "dim", "min", "max", "mean", "std", "missing")
        rows: list[tuple[str, ...]] = [header]
        for name, part in self.specs.branches.items():
            values, stored = part.values, part.values.stored
            dim = str(part.lengths.maximum) if part.lengths else "1"
            figures = ["-"] * 4
            if stored.count:
                mean, std = stored.mean, stored.std
                figures = [number_text(stored.low), number_text(stored.high), _mean_text(mean, std), f"{std:.6g}"]
            rows.append((name, part.kind, dim, *figures, str(values.missing + values.infinite)))
        widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
        widths[0] = max(widths[0], *(len(name) for name in self.unreadable), 0)
        rows += [(name, problem) for name, problem in self.unreadable.items()]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows
        )


def _mean_text(mean: float, std: float) -> str:
    """A mean with at least six digits, and four of the deviation."""
    if not (math.isfinite(mean) and std > 0.0) or not mean:
        return f"{mean:.6g}"
    return f"{mean:.{max(6, math.ceil(math.log10(abs(mean)) - math.log10(std)) + 4)}g}"


@dataclass(frozen=True)
class Scanned:
    """Files that are open, and what one pass over them found."""

    files: tuple[DataFile, ...]
    pipeline: Pipeline
    scan: Scan
    executor: Executor
    unreadable: dict[str, str]

    @property
    def specs(self) -> FileSpecs:
        """Specs, and the events of each file in the order the user named them."""
        pairs = sorted(zip(self.files, self.scan.files, strict=True), key=lambda pair: pair[0].index)
        return FileSpecs(self.scan.specs, {file.path: part.used for file, part in pairs}, self.unreadable)

    def again(self, monitor: Monitor, title: str) -> Iterator[Selected]:
        """Read the events that are used once more, range by range."""
        tasks = [FileRange(self.files[n], found.start, found.stop, n, found.used) for n, found in self.scan.ranges]
        with monitor.stage(title, sum(map(len, tasks))) as advance:
            for task, selected in zip(tasks, self.executor.map(self.pipeline, tasks), strict=True):
                yield selected
                advance(len(task), "")


def scan_specs(
    files: tuple[DataFile, ...], settings: EventSettings, monitor: Monitor, *, events: int, executor: Executor
) -> Scanned:
    """Go over all files once; labels and split do not matter.

    Args:
        files: open ones.
        settings: what is read of each event.
        monitor: told about progress and what was decided.
        events: events to use after the cuts over all files; -1: all.
        executor: reads the ranges.

    Raises:
        MLaaS4HEPError: a branch is missing, no event passes.
    """
    branches = choose_branches(files, settings, without_lost=not executor.thorough)
    left_out = Findings()
    for name, reason in branches.left_out.items():
        left_out.add(f"left out ({reason})", name)
    for line in (*left_out.lines(), *branches.notes):
        monitor.note(line)
    for warning in branches.warnings:
        monitor.warn(warning)
    pipeline = replace(Pipeline.of(branches, settings.unsplit()), identifier=(), label_branch=None)
    pipeline, found, lost = _scan(files, pipeline, monitor, events=events, executor=executor)
    if pipeline.selects:
        monitor.note(render(cutflows_of(files, found.files)))
    suspicion = warning_of(found.specs.values, settings.missing)
    if suspicion:
        monitor.warn(suspicion)
    return Scanned(files, pipeline, found, executor, branches.lost | lost)


def _scan(
    files: tuple[DataFile, ...], pipeline: Pipeline, monitor: Monitor, *, events: int, executor: Executor
) -> tuple[Pipeline, Scan, dict[str, str]]:
    """One pass; another one without the branches that turn out to be damaged, if nothing but features needs them."""
    lost: dict[str, str] = {}
    while True:
        try:
            found = scan(files, pipeline, events=events, executor=executor, count_labels=False, monitor=monitor)
        except BranchReadError as error:
            steps = pipeline.preprocessing
            features = tuple(
                name for name in pipeline.features if error.branches.keys().isdisjoint(steps.needed_for([name]))
            )
            rest = replace(pipeline, features=features)
            if executor.thorough or not features or not error.branches.keys().isdisjoint(rest.needed):
                raise
            monitor.warn(f"{error.where}: {error.what}; the figures are those of the others")
            pipeline, lost = rest, lost | error.branches
        else:
            return pipeline, found, lost
