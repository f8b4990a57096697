"""LightGBM's estimators as ONNX: every row goes where LightGBM sends it, also at a cut and without a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.training.backends import backend_for
from mlaas4hep.training.events.base import Task
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings, run_onnx

lightgbm = pytest.importorskip("lightgbm")


def thresholds(node: dict[str, Any]) -> list[float]:
    if "split_feature" not in node:
        return []
    return [float(node["threshold"]), *thresholds(node["left_child"]), *thresholds(node["right_child"])]


@pytest.mark.parametrize(
    ("kind", "task", "classes"),
    [("LGBMClassifier", "binary", 2), ("LGBMClassifier", "multiclass", 3), ("LGBMRegressor", "regression", 0)],
)
def test_rows_at_a_cut_and_missing_values_stay_on_their_side(
    kind: str, task: Task, classes: int, tmp_path: Path
) -> None:
    model = getattr(lightgbm, kind)(n_estimators=10, n_jobs=1, verbose=-1)
    backend = backend_for(model)
    settings = fit_settings(tmp_path, task=task, classes=classes)
    train = MemoryEvents(make_sample(1000, task=task, seed=1))
    model, _ = backend.fit(model, train, MemoryEvents(make_sample(100, task=task, seed=2)), settings)
    cuts = [cut for tree in model.booster_.dump_model()["tree_info"] for cut in thresholds(tree["tree_structure"])]
    assert len(cuts) > 20
    near = np.array(cuts, dtype=np.float32)
    column = np.concatenate([near, np.nextafter(near, np.float32(9)), np.full(1, np.nan, np.float32)])
    rows = np.repeat(column[:, np.newaxis], 4, axis=1)
    expected = backend.predict(model, rows, task)
    found = run_onnx(backend.to_onnx(model, 4, task), rows)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * max(1.0, float(np.abs(expected).max()))
