"""A model of decision values and a regression far from 0, from files to the bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.judging.summary import render_summary
from mlaas4hep.training.workflow import run_training
from tests.support.written import make_events, model_file, workflow_of, write_ttree


def test_decision_values_from_files_to_bundle(tmp_path: Path) -> None:
    files = {
        name: write_ttree(tmp_path / f"{name}.root", make_events(200, seed=seed, signal=signal, odd=False))
        for name, signal, seed in (("Higgs", True, 1), ("background", False, 2))
    }
    model = model_file(tmp_path, "LinearSVC()", "from sklearn.svm import LinearSVC")
    workflow = workflow_of(
        {name: (path, name) for name, path in files.items()},
        features={"exclude": ["target", "w"]},
        training={"model": str(model)},
    )
    result = run_training(workflow, tmp_path / "bundle", Collector())
    metrics = result.metrics
    assert metrics["classes"] == ["background", "Higgs"]
    assert (metrics["output"], metrics["threshold"]) == ("decision", 0.0)
    for part in metrics["parts"].values():
        assert "loss" not in part["unweighted"]
        assert part["unweighted"]["accuracy"] > 0.5
    assert "Log loss" not in render_summary("model", metrics)
    with load_bundle(tmp_path / "bundle") as bundle:
        output = bundle.manifest.outputs[0]
        assert output.kind == "decision"
        assert output.meaning == ("decision value for Higgs (against background)",)
        rows = np.random.default_rng(1).normal(size=(200, bundle.layout.width)).astype(np.float32)
        values = bundle.scorer().scores(rows)
        assert np.abs(values - bundle.native_scorer().scores(rows)).max() < 1e-4
    page = (tmp_path / "bundle" / "report.html").read_text()
    assert "Decision value for Higgs" in page
    assert "probability of" not in page
