"""Trees whose thresholds lie between neighbouring float32 values: ONNX and native model must take the same side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from mlaas4hep.frameworks.rounding import round_down
from mlaas4hep.frameworks.sklearn.thresholds import with_float32_thresholds
from mlaas4hep.training.backends.sklearn.backend import SklearnBackend
from tests.support.fitting import run_onnx

MODELS = [
    HistGradientBoostingClassifier(min_samples_leaf=1, max_iter=5, early_stopping=False),
    DecisionTreeClassifier(),
    RandomForestClassifier(n_estimators=5),
    GradientBoostingClassifier(n_estimators=5),
    AdaBoostClassifier(n_estimators=5),
]


@given(hnp.arrays(np.float64, 20, elements=st.floats(-1e30, 1e30)))
def test_round_down_decides_the_same(thresholds: np.ndarray[Any, Any]) -> None:
    rounded = round_down(thresholds)
    assert np.array_equal(rounded, rounded.astype(np.float32))
    near = thresholds.astype(np.float32)
    for x in (near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))):
        np.testing.assert_array_equal(x.astype(np.float64) <= thresholds, x.astype(np.float64) <= rounded)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_neighbouring_values(model: Any) -> None:
    start = np.float32(0.7)
    steps = [start]
    for _ in range(199):
        steps.append(np.nextafter(steps[-1], np.float32(1)))
    x = np.array(steps, dtype=np.float32)[:, np.newaxis]
    y = np.random.default_rng(3).integers(0, 2, len(x))
    fitted = model.fit(x, y)
    backend = SklearnBackend()
    scores = run_onnx(backend.to_onnx(fitted, 1, "binary"), x)
    np.testing.assert_allclose(scores, backend.predict(fitted, x, "binary"), atol=1e-6)


def test_the_model_itself_stays_as_it_is() -> None:
    x = np.random.default_rng(1).normal(size=(200, 2)).astype(np.float32)
    model = make_pipeline(FunctionTransformer(), HistGradientBoostingClassifier(max_iter=3)).fit(x, x[:, 0] > 0)
    nodes = model[-1]._predictors[0][0].nodes
    before = nodes["num_threshold"].copy()
    copied = with_float32_thresholds(model)
    np.testing.assert_array_equal(nodes["num_threshold"], before)
    np.testing.assert_array_equal(copied[-1]._predictors[0][0].nodes["num_threshold"], round_down(before))
    np.testing.assert_array_equal(copied.predict_proba(x), model.predict_proba(x))
