"""Estimators of scikit-learn of many kinds, in skops files: served as they give it, and as ONNX where that agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsOneClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeRegressor

from mlaas4hep.errors.serving import ModelRefusedError
from tests.support.foreign_models import close, convert_here, opened

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(400, 4)).astype(np.float32)
HOLES = np.where(RANDOM.random(X.shape) < 0.1, np.nan, X).astype(np.float32)
TWO = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(int)
THREE = np.digitize(X[:, 0] + X[:, 2], [-0.6, 0.6])
VALUES = np.stack([3 * X[:, 0] + 1, X[:, 1] - 2], axis=1)

AS_ONNX: dict[str, tuple[Any, Any, Any, str]] = {
    "boosting by histograms": (HistGradientBoostingClassifier(max_iter=9), HOLES, TWO, "predict_proba"),
    "of three classes": (HistGradientBoostingClassifier(max_iter=9), HOLES, THREE, "predict_proba"),
    "of a value": (HistGradientBoostingRegressor(max_iter=9), HOLES, VALUES[:, 0], "predict"),
    "trees after an imputer": (
        make_pipeline(SimpleImputer(), GradientBoostingClassifier(n_estimators=9)), HOLES, TWO, "predict_proba",
    ),
    "XGBoost in a pipeline": (
        make_pipeline(xgboost.XGBClassifier(n_estimators=9, n_jobs=1)), X, TWO, "predict_proba",
    ),
    "a function of scikit-learn": (
        make_pipeline(SelectKBest(k=2), LogisticRegression()), X, TWO, "predict_proba",
    ),
    "decision values": (SVC(), X, TWO, "decision_function"),
    "of three classes without probabilities": (SVC(), X, THREE, "decision_function"),
    "one against one": (OneVsOneClassifier(LogisticRegression()), X, THREE, "decision_function"),
    "one class": (OneClassSVM(), X, TWO, "decision_function"),
    "clusters": (KMeans(3, n_init=1), X.astype(np.float64), TWO, "predict"),
    "a network": (MLPClassifier((8,), max_iter=20), X, THREE, "predict_proba"),
    "a network of two targets": (MLPRegressor(hidden_layer_sizes=(8,), max_iter=20), X, VALUES, "predict"),
    "a forest of two targets": (RandomForestRegressor(9), X, VALUES, "predict"),
    "a tree of two targets": (DecisionTreeRegressor(max_depth=5), X, VALUES, "predict"),
    "a line of two targets": (LinearRegression(), X, VALUES, "predict"),
}  # fmt: skip
OTHERS: dict[str, tuple[Any, Any, Any, str]] = {
    "a chain": (ClassifierChain(RandomForestClassifier(5)), X, np.stack([TWO, THREE > 0], 1), "predict_proba"),
    "a monotonic function": (IsotonicRegression(out_of_bounds="clip"), X[:, :1], VALUES[:, 0], "predict"),
    "a scaled target": (TransformedTargetRegressor(Ridge(), transformer=StandardScaler()), X, VALUES[:, 0], "predict"),
}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("name", AS_ONNX | OTHERS)
def test_an_estimator_gives_what_it_gives_in_python(tmp_path: Path, name: str) -> None:
    model, rows, labels, method = (AS_ONNX | OTHERS)[name]
    for inner in (model, *(step for _, step in getattr(model, "steps", ()))):
        if "random_state" in inner.get_params():
            inner.set_params(random_state=1)
    model.fit(rows, labels)
    skops.io.dump(model, tmp_path / "m.skops")
    served = convert_here(tmp_path / "m.skops", tmp_path / "1")
    assert name in OTHERS or (served["runtime"] == "onnx" and not served["reason"]), served["reason"]
    with opened(tmp_path / "1") as runtime:
        found = runtime.run({"features": rows.astype(np.float32)}, timeout=60)["scores"]
    expected = np.asarray(getattr(model, method)(rows.astype(np.float32).astype(rows.dtype)))
    assert close(found, expected.reshape(len(rows), -1))


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(
    "model", [RandomForestClassifier(9, random_state=1), MultiOutputClassifier(LogisticRegression())]
)
def test_classes_of_several_targets_stand_side_by_side(tmp_path: Path, model: Any, *, same: bool) -> None:
    labels = np.stack([TWO, THREE > 0 if same else THREE], axis=1)
    model.fit(X, labels)
    skops.io.dump(model, tmp_path / "m.skops")
    served = convert_here(tmp_path / "m.skops", tmp_path / "1")
    assert served["batched"]
    assert served["outputs"][0]["columns"] == ["0:0", "0:1", "1:0", "1:1", "1:2"][: 4 if same else 5]
    with opened(tmp_path / "1") as runtime:
        found = runtime.run({"features": X}, timeout=60)["scores"]
    assert close(found, np.concatenate(model.predict_proba(X), axis=1))


def test_columns_that_a_table_named_are_taken_by_position(tmp_path: Path) -> None:
    columns = ColumnTransformer([("a", StandardScaler(), [0, 2]), ("b", "passthrough", [1])])
    model = make_pipeline(columns, LogisticRegression()).fit(X, TWO)
    expected = model.predict_proba(X)
    columns.feature_names_in_ = np.array(["pt", "eta", "phi", "mass"], object)  # what fitting on a table leaves there
    columns.transformers_ = [
        (name, step, [str(columns.feature_names_in_[place]) for place in places])
        for name, step, places in columns.transformers_
    ]
    skops.io.dump(model, tmp_path / "m.skops")
    served = convert_here(tmp_path / "m.skops", tmp_path / "1")
    assert served["runtime"] == "onnx"
    assert served["inputs"][0]["columns"] == ["pt", "eta", "phi", "mass"]
    with opened(tmp_path / "1") as runtime:
        assert close(runtime.run({"features": X}, timeout=60)["scores"], expected)


def test_an_estimator_that_gives_names_alone_is_refused_for_that(tmp_path: Path) -> None:
    model = VotingClassifier([("a", LogisticRegression()), ("b", RandomForestClassifier(5))])
    skops.io.dump(model.fit(X, np.array(["bkg", "sig"])[TWO]), tmp_path / "m.skops")
    with pytest.raises(ModelRefusedError, match="gives only names of classes"):
        convert_here(tmp_path / "m.skops", tmp_path / "1")
