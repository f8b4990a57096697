"""LightGBM's estimators within others: the same exact trees, and what the estimator around them takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlaas4hep.training.backends.sklearn.backend import SklearnBackend
from mlaas4hep.training.events.base import Task
from tests.support.fitting import run_onnx
from tests.training.backends.sklearn.test_lightgbm import thresholds

lightgbm = pytest.importorskip("lightgbm")
RANDOM = np.random.default_rng(8)
X = RANDOM.normal(size=(600, 4)).astype(np.float32)
TWO = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(int)
THREE = np.digitize(X[:, 0], [-0.5, 0.5])


def trees(kind: str = "Classifier") -> Any:
    return getattr(lightgbm, f"LGBM{kind}")(n_estimators=8, n_jobs=1, verbose=-1, random_state=1)


MODELS: dict[str, tuple[Any, Any, Task]] = {
    "a pipeline": (make_pipeline(StandardScaler(), trees()), TWO, "binary"),
    "a pipeline of names": (make_pipeline(StandardScaler(), trees()), np.array(["bkg", "sig"])[TWO], "binary"),
    "a pipeline of three classes": (make_pipeline(StandardScaler(), trees()), THREE, "multiclass"),
    "a pipeline of a value": (make_pipeline(StandardScaler(), trees("Regressor")), X[:, 0], "regression"),
    "a calibration": (CalibratedClassifierCV(trees(), cv=2), TWO, "binary"),
    "a vote": (
        VotingClassifier([("a", trees()), ("b", LogisticRegression())], voting="soft", flatten_transform=False),
        TWO,
        "binary",
    ),
    "a stack": (StackingClassifier([("a", trees()), ("b", LogisticRegression())], cv=2), TWO, "binary"),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", MODELS)
def test_the_onnx_model_agrees(name: str) -> None:
    model, labels, task = MODELS[name]
    model.fit(X, labels)
    backend = SklearnBackend()
    expected = backend.predict(model, X, task)
    found = run_onnx(backend.to_onnx(model, 4, task), X)
    assert np.abs(found - expected).max() <= 1e-5 * max(1.0, float(np.abs(expected).max()))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_rows_at_a_cut_stay_on_their_side_also_in_a_pipeline() -> None:
    model = make_pipeline(trees()).fit(X, TWO)
    dumped = model[-1].booster_.dump_model()["tree_info"]
    cuts = np.array([cut for tree in dumped for cut in thresholds(tree["tree_structure"])], np.float32)
    column = np.concatenate([cuts, np.nextafter(cuts, np.float32(9)), np.full(1, np.nan, np.float32)])
    rows = np.repeat(column[:, None], 4, axis=1)
    backend = SklearnBackend()
    found = run_onnx(backend.to_onnx(model, 4, "binary"), rows)
    np.testing.assert_allclose(found, backend.predict(model, rows, "binary"), atol=1e-6)
