"""scikit-learn models of all kinds give the same scores natively and in ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlaas4hep.errors import ConversionError
from mlaas4hep.training.backends.sklearn.backend import SklearnBackend
from tests.support.events import make_sample
from tests.support.fitting import fit_settings, run_onnx, train_and_validation

BACKEND = SklearnBackend()

BINARY: list[Any] = [
    svm.LinearSVC(),
    svm.SVC(),
    linear_model.Perceptron(),
    linear_model.SGDClassifier(),
    linear_model.RidgeClassifier(),
    make_pipeline(StandardScaler(), svm.SVC()),
    make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
    naive_bayes.GaussianNB(),
    ensemble.ExtraTreesClassifier(n_estimators=10),
]
MULTICLASS: list[Any] = [
    ensemble.HistGradientBoostingClassifier(max_iter=10),
    ensemble.GradientBoostingClassifier(n_estimators=5),
    ensemble.RandomForestClassifier(n_estimators=5),
    ensemble.AdaBoostClassifier(n_estimators=5),
    linear_model.LogisticRegression(),
    svm.SVC(),
    svm.LinearSVC(),
    neural_network.MLPClassifier((4,), max_iter=60),
    neighbors.KNeighborsClassifier(),
]
REGRESSION: list[Any] = [
    ensemble.HistGradientBoostingRegressor(max_iter=10),
    ensemble.GradientBoostingRegressor(n_estimators=5),
    ensemble.RandomForestRegressor(n_estimators=5),
    linear_model.LinearRegression(),
    svm.SVR(),
    neural_network.MLPRegressor(hidden_layer_sizes=(4,), max_iter=5),
    neighbors.KNeighborsRegressor(),
    make_pipeline(StandardScaler(), linear_model.Ridge()),
]
CASES = [
    *(("binary", 2, model) for model in BINARY),
    *(("multiclass", 3, model) for model in MULTICLASS),
    *(("regression", 0, model) for model in REGRESSION),
]


@pytest.mark.parametrize(("task", "classes", "model"), CASES, ids=[f"{c[0]}-{type(c[2]).__name__}" for c in CASES])
def test_parity(task: Any, classes: int, model: Any, tmp_path: Path) -> None:
    model, _ = BACKEND.fit(model, *train_and_validation(task), fit_settings(tmp_path, task=task, classes=classes))
    test = make_sample(1000, task=task, seed=9)
    scores = BACKEND.predict(model, test.x, task)
    assert scores.shape == (1000, 3 if task == "multiclass" else 1)
    assert scores.dtype == np.float32
    if task == "multiclass":
        assert BACKEND.output(model, task).decision or np.allclose(scores.sum(axis=1), 1.0, atol=1e-5)
        assert (scores.argmax(axis=1) == test.y).mean() > 0.6
    onnx_scores = run_onnx(BACKEND.to_onnx(model, 4, task), test.x)
    assert onnx_scores.shape == scores.shape
    assert onnx_scores.dtype == np.float32
    assert np.abs(onnx_scores - scores).max() < 1e-5


class Homemade(ClassifierMixin, BaseEstimator):
    def fit(self, x: Any, y: Any) -> Homemade:
        self.classes_ = np.unique(y)
        self.n_features_in_ = x.shape[1]
        return self

    def predict_proba(self, x: Any) -> Any:
        return np.full((len(x), 2), 0.5)


def test_an_unknown_estimator_is_trained_but_not_converted(tmp_path: Path) -> None:
    model, _ = BACKEND.fit(Homemade(), *train_and_validation(), fit_settings(tmp_path))
    with pytest.raises(ConversionError, match="Homemade cannot be converted to ONNX"):
        BACKEND.to_onnx(model, 4, "binary")
