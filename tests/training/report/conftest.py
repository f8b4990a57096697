"""Reports of every task, with everything in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlaas4hep.training.events.base import Task
from mlaas4hep.training.metrics import Part, evaluate
from mlaas4hep.training.report import CutflowRow, FeatureRow, FileRow, ReportData


def part(task: Task, events: int, seed: int, classes: int, weighted: bool = True) -> Part:
    rng = np.random.default_rng(seed)
    weight = rng.normal(1.0, 0.4, events) if weighted else np.ones(events)
    if task == "regression":
        y: Any = rng.gamma(3, 30, events).astype(np.float32)
        return Part(y, (y + rng.normal(0, 5, events)).astype(np.float32)[:, None], weight)
    y = rng.integers(0, classes, events)
    scores = rng.dirichlet(np.ones(classes), events)
    scores[np.arange(events), y] += 0.3
    scores /= scores.sum(axis=1, keepdims=True)
    return Part(y, (scores[:, 1:] if classes == 2 else scores).astype(np.float32), weight)


def report(task: Task, weighted: bool = True) -> ReportData:
    classes = {"binary": ("bkg", "sig"), "multiclass": ("ggH", "Z <&> $W$", "ttbar"), "regression": ()}[task]
    sizes = {"train": 300, "validation": 100, "test": 200}
    parts = {name: part(task, size, seed, len(classes), weighted) for seed, (name, size) in enumerate(sizes.items())}
    return ReportData("Higgs <search>", task, classes, evaluate(task, classes, parts, replicas=20), parts)


@pytest.fixture(scope="session")
def full() -> ReportData:
    """A binary report with every piece there is."""
    cuts = [
        CutflowRow("all events", 1000, 812.5, {"a.root": (600, 500.0), "b.root": (400, 312.5)}),
        CutflowRow("(MET_pt > 20) & any(Jet_pt > 30)", 250, 200.25, {"a.root": (250, 200.25)}),
    ]
    return replace(
        report("binary"),
        importance=[{"branch": f"branch_{i}", "importance": 0.3 - 0.01 * i, "error": 0.01} for i in range(30)]
        + [{"branch": "unknown", "importance": None, "error": None}],
        curves={"loss": [0.7, 0.5, 0.4], "val_loss": [0.7, 0.55, float("nan")], "auc": [0.6, 0.7], "empty": []},
        cutflow=cuts,
        features=[
            FeatureRow("Jet_pt", "jagged", 4, 20.0, 431.5, 55.25, 31.0, 12, "minmax"),
            FeatureRow("MET", "flat", 1),
        ],
        left_out={"Tau_decay": "missing in every training event"},
        warnings=["The weights <below zero> were kept."],
        configuration="tree: Events\nname: <script>alert(1)</script>\n",
        files=[FileRow("data/a.root", "signal", "sig", 600, 0.5), FileRow("data/b.root")],
        packages={"numpy": "2.4.6"},
        details={"Seed": "7"},
    )


@pytest.fixture(scope="session")
def multiclass_report() -> ReportData:
    """Three classes, without weights."""
    return report("multiclass", weighted=False)


@pytest.fixture(scope="session")
def regression_report() -> ReportData:
    """A target with a unit."""
    return replace(report("regression"), target="mass", unit="GeV")
