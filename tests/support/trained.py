"""A small binary training from files to a bundle, and the same computed independently with loops and scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.streaming.monitor import Advance, Collector
from mlaas4hep.training.workflow import Result, run_training
from tests.support.reference import CUTS, VARIABLES, part_of, passing, variables_of
from tests.support.written import Event, make_events, model_file, write_rntuple, write_ttree

__all__ = [
    "FLAT",
    "JAGGED",
    "LOGISTIC",
    "SAMPLES",
    "Independent",
    "Interrupting",
    "Small",
    "binary",
    "configured",
    "independent",
    "small_files",
    "streamed",
]

LOGISTIC = ("LogisticRegression(max_iter=500)", "from sklearn.linear_model import LogisticRegression")
SGD = ('SGDClassifier(loss="log_loss", random_state=1)', "from sklearn.linear_model import SGDClassifier")
FLAT = ("met", "charge", "flag", "ht", "lead")
JAGGED = {"cells": 3, "Jet_pt": 2, "Jet_eta": 2, "scaled": 2}
SAMPLES: dict[str, tuple[list[Event], str, float]] = {
    "signal": (make_events(260, seed=1, signal=True), "signal", 0.5),
    "background": (make_events(220, seed=2, signal=False), "background", 2.0),
    "more": (make_events(120, seed=3, signal=False), "background", 1.0),
}
IDENTIFIER = ("run", "event", "luminosityBlock")


@dataclass(frozen=True)
class Small:
    """A finished training.

    Attributes:
        folder: holds the files, the model file and what was written.
        paths: the input files by sample.
        bundle: the bundle's folder.
        split: the table of the split.
    """

    folder: Path
    paths: dict[str, Path]
    workflow: Workflow
    result: Result
    bundle: Path
    split: Path
    monitor: Collector


def small_files(folder: Path) -> dict[str, Path]:
    """The input files: TTrees and an RNTuple, one with its branches in another order."""
    return {
        "signal": write_ttree(folder / "signal.root", SAMPLES["signal"][0]),
        "background": write_rntuple(folder / "background.root", SAMPLES["background"][0]),
        "more": write_ttree(folder / "more.root", SAMPLES["more"][0], names=sorted(SAMPLES["more"][0][0])),
    }


def configured(folder: Path, paths: dict[str, Path], **changes: Any) -> Workflow:
    """Cuts, variables, weights, missing values; two columns a jagged branch."""
    samples = [
        {"name": name, "files": str(path), "label": SAMPLES[name][1], "weight": SAMPLES[name][2]}
        for name, path in paths.items()
    ]
    settings: dict[str, Any] = {
        "name": "small",
        "samples": samples,
        "variables": VARIABLES,
        "selection": list(CUTS),
        "weights": {"branch": "w", "negative": "abs"},
        "features": {"missing": [-999], "exclude": ["target"], "length": {"default": 2, "cells": 3}},
    }
    if "training" not in changes:
        settings["training"] = {"model": str(model_file(folder, *LOGISTIC)), "threads": 1}
    return Workflow.model_validate({**settings, **changes})


def binary(folder: Path, **changes: Any) -> Small:
    """Train in a folder."""
    paths = small_files(folder)
    workflow = configured(folder, paths, **changes)
    monitor = Collector()
    split = folder / "split.parquet"
    result = run_training(workflow, folder / "bundle", monitor, split_out=split)
    return Small(folder, paths, workflow, result, folder / "bundle", split, monitor)


@dataclass(frozen=True)
class Independent:
    """Every event that passes, in the order of `SAMPLES`.

    Attributes:
        keys: (sample, entry).
        x: what the model sees, by the names in `columns`.
    """

    keys: list[tuple[str, int]]
    part: NDArray[np.int64]
    y: NDArray[np.int64]
    weight: NDArray[np.float64]
    x: NDArray[np.float64]
    training_weight: NDArray[np.float64]
    columns: list[str]


def independent() -> Independent:
    """Cuts, variables, features, min-max normalisation with imputation, split and weights in plain Python."""
    keys, rows, parts, labels, weights = [], [], [], [], []
    for name, (events, label, factor) in SAMPLES.items():
        for entry, bare in enumerate(events):
            if not all(passing(bare)):
                continue
            event = bare | variables_of(bare)
            keys.append((name, entry))
            row = [float(event[branch]) for branch in FLAT]
            for branch, length in JAGGED.items():
                row += [*event[branch][:length], *[math.nan] * (length - len(event[branch]))]
            rows.append([value if math.isfinite(value) and value != -999.0 else math.nan for value in row])
            parts.append(part_of([event[i] for i in IDENTIFIER], validation=0.2, test=0.2, seed=0))
            labels.append(int(label == "signal"))
            weights.append(abs(event["w"]) * factor)
    raw, part, y, weight = np.array(rows), np.array(parts), np.array(labels), np.array(weights)
    columns = [*FLAT, *(f"{branch}[{i}]" for branch, length in JAGGED.items() for i in range(length))]
    x = np.empty_like(raw)
    for branch in (*FLAT, *JAGGED):
        mine = [i for i, column in enumerate(columns) if column.split("[")[0] == branch]
        low, high = np.inf, -np.inf
        for (name, entry), at in zip(keys, part, strict=True):
            if at == 0:
                event = SAMPLES[name][0][entry]
                values = (event | variables_of(event))[branch]
                for value in values if isinstance(values, list) else [values]:
                    if math.isfinite(value) and value != -999.0:
                        low, high = min(low, value), max(high, value)
        x[:, mine] = np.maximum((raw[:, mine] - low) / (high - low), -0.5)
    x[np.isnan(raw)] = -1.0
    training_weight = np.empty(len(y))
    for index in (0, 1):
        total = weight[(part == 0) & (y == index)].sum()
        training_weight[y == index] = weight[y == index] * np.sum(part == 0) / (2 * total)
    return Independent(keys, part, y, weight, x, training_weight, columns)


def streamed(small: Small, folder: Path, **reading: Any) -> Workflow:
    """A model that is trained chunk by chunk for some epochs."""
    model = model_file(folder, *SGD)
    training = {"model": str(model), "epochs": 4, "threads": 1, "batch_size": 32}
    return configured(folder, small.paths, training=training, reading={"chunk_size": 60, **reading})


class Interrupting(Collector):
    """Ends the training as Ctrl-C does, after some epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs

    @contextmanager
    def stage(self, title: str, total: int | None, unit: str = "events") -> Iterator[Advance]:  # noqa: ARG002
        def advance(_units: int, text: str) -> None:
            if title == "training" and text.startswith(f"epoch {self._epochs + 1}"):
                raise KeyboardInterrupt

        yield advance
