"""The one place that calls the package: what is measured of it goes through here.

Example:
    with session(workflow(sample, "memory")) as own:
        own.specs()
        for chunk in own.chunks(epoch=0): ...
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from benchmarks.streaming.sample import CUT, UNUSED, WEIGHT, Sample
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.features.layout import Layout
from mlaas4hep.features.normalisation import build_layout
from mlaas4hep.features.split import TRAIN
from mlaas4hep.streaming.dataset.dataset import Dataset
from mlaas4hep.streaming.files import DataFile, opened
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.process_memory import peak_memory
from mlaas4hep.training.events.base import Arrays
from mlaas4hep.training.events.first_pass import first_pass
from mlaas4hep.training.events.labelled import Labelled, label_events
from mlaas4hep.training.events.part import PartEvents
from mlaas4hep.training.fitting.dataset import open_dataset

__all__ = ["Cache", "Session", "configuration", "peak_memory", "session", "waiting", "workflow"]

Cache: TypeAlias = Literal["none", "memory", "disk"]
LIMITS: dict[Cache, str] = {"none": "512 MiB", "memory": "16 GiB", "disk": "512 MiB"}
"""Memory limits: 16 GiB holds all transformed events of the small sample, 512 MiB none of them."""


def configuration(sample: Sample, *, mask: bool = False, validation: float = 0.0) -> dict[str, Any]:
    """The workflow of all measurements: cut, weights, standardisation; the rest is default."""
    return {
        "name": "benchmark",
        "samples": [
            {"name": name, "files": [str(path)], "label": name}
            for name, path in zip(("signal", "background"), sample.paths, strict=True)
        ],
        "selection": f"{CUT[0]} > {CUT[1]:g}",
        "features": {
            "include": list(sample.features),
            "exclude": list(UNUSED),
            "length": sample.jagged,
            "normalisation": "standard",
            "mask": mask,
        },
        "weights": {"branch": WEIGHT},
        "split": {"validation": validation, "test": 0.0},
        "training": {"model": "model.py", "signal": "signal"},
    }


def workflow(
    sample: Sample, cache: Cache = "none", folder: Path | None = None, *, mask: bool = False, validation: float = 0.0
) -> Workflow:
    """The same, validated.

    Args:
        sample: its files.
        cache: keep transformed events nowhere, in memory, or in files.
        folder: of these files; empty before the first use.
        mask: with one more column a feature that says whether it is real.
        validation: share of the events.
    """
    settings = configuration(sample, mask=mask, validation=validation)
    settings["reading"] = {"memory_limit": LIMITS[cache], "cache": str(folder) if cache == "disk" else None}
    return Workflow.model_validate(settings)


class Session:
    """The files are open. First `specs`, then as many epochs as wanted."""

    def __init__(self, settings: Workflow, files: tuple[DataFile, ...]) -> None:
        self._settings = settings
        self._files = files
        self._labelled: Labelled | None = None
        self._dataset: Dataset | None = None
        self._parts: dict[int, PartEvents] = {}

    def specs(self) -> None:
        """The first pass: cuts, weights, split, statistics; and the layout that follows."""
        settings, monitor = self._settings, Collector()
        first = first_pass(self._files, settings.event_settings, settings.reading, monitor)
        self._labelled = label_events(first, monitor.warn, signal="signal")
        layout = build_layout(first.scan.specs, settings.features, nan=False).layout
        self._dataset = open_dataset(first, self._labelled.labels, layout, settings.reading, monitor)

    def events(self, part: int = TRAIN) -> PartEvents:
        """One part of the split as a training gets it; shuffled and mixed if it is TRAIN."""
        assert self._labelled is not None
        assert self._dataset is not None
        if part not in self._parts:
            self._parts[part] = PartEvents(
                self._dataset, part, self._labelled.weights, shuffle=part == TRAIN, seed=0, memory_limit=1 << 62
            )
        return self._parts[part]

    def chunks(self, epoch: int) -> Iterator[Arrays]:
        """Transformed chunks: x float32 [n, width], y, weight."""
        return self.events().chunks(epoch)

    def close(self) -> None:
        """Release what is kept."""
        if self._dataset is not None:
            self._dataset.close()

    @property
    def layout(self) -> Layout:
        """The columns."""
        assert self._dataset is not None
        return self._dataset.layout

    def place(self, name: str) -> int:
        """Number of the first column of a branch."""
        at = 0
        for branch in self.layout.branches:
            if branch.name == name:
                return at
            at += branch.length
        raise KeyError(name)

    def fill(self, name: str) -> float:
        """What stands in the columns of a branch where there is nothing."""
        return next(branch.fill for branch in self.layout.branches if branch.name == name)


@contextmanager
def session(settings: Workflow) -> Iterator[Session]:
    """Open the files."""
    with opened(settings.samples, settings.tree, settings.reading) as files:
        own = Session(settings, files)
        try:
            yield own
        finally:
            own.close()


def waiting(output: str) -> float | None:
    """Share of the time after the first epoch that a training waited for events, from what `train --json` printed."""
    value = json.loads(output.splitlines()[-1]).get("waiting")
    return None if value is None else float(value)
