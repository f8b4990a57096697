"""XGBoost, LightGBM and scikit-learn models, converted, against the framework called directly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from mlaas4hep.errors.serving import ModelRefusedError
from tests.support.foreign_models import close, convert, convert_here, opened

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(400, 4)).astype(np.float32)
X[::7, 1] = np.nan
FULL = np.nan_to_num(X)
TWO = (FULL.sum(axis=1) > 0).astype(int)
THREE = TWO + (FULL[:, 0] > 0.8)
VALUE = (FULL[:, 0] * 3 + np.abs(FULL[:, 2])).astype(np.float32)


def check(folder: Path, rows: NDArray[np.float32], expected: NDArray[Any]) -> None:
    with opened(folder) as runtime:
        given = runtime.run({"features": rows}, timeout=60)["scores"]
        assert close(given, np.asarray(expected).reshape(len(rows), -1))
        assert runtime.outputs[0].shape == (-1, given.shape[1])
        assert runtime.batched


CLOSED_IN = ("binary:logistic", "rank:pairwise")
"""Of those that are served as ONNX and of those that are not, one is converted as an upload is; the others here."""


@pytest.mark.parametrize(
    ("objective", "labels", "more"),
    [
        ("binary:logistic", TWO, {}),
        ("multi:softprob", THREE, {"num_class": 3}),
        ("reg:squarederror", VALUE, {}),
        ("rank:pairwise", TWO, {}),
        ("count:poisson", TWO, {}),
        ("binary:logitraw", TWO, {}),
    ],
)
def test_xgboost(tmp_path: Path, objective: str, labels: NDArray[Any], more: dict[str, Any]) -> None:
    names = ["Jet_pt", "b", "c", "d"]
    data = xgboost.DMatrix(X, labels, feature_names=names)
    booster = xgboost.train({"objective": objective, "max_depth": 3, "nthread": 1, **more}, data, 12)
    file = tmp_path / ("model.ubj" if more else "model.json")
    booster.save_model(file)
    served = (convert if objective in CLOSED_IN else convert_here)(file, tmp_path / "1")
    assert served["difference"] is None or served["difference"] <= 1e-5
    assert served["inputs"][0]["columns"] == names
    assert (served["runtime"] == "worker") == bool(served["reason"])
    assert (tmp_path / "1" / "original" / file.name).read_bytes() == file.read_bytes()
    if objective == "rank:pairwise":
        assert served["runtime"] == "worker"
    check(tmp_path / "1", X, booster.predict(data))


OTHERS: dict[str, tuple[NDArray[Any], dict[str, Any], str]] = {
    "categories": (TWO, {"objective": "binary:logistic", "max_cat_to_onehot": 1}, "trees that split by category"),
    "categories, one each": (TWO, {"objective": "binary:logistic", "max_cat_to_onehot": 99}, "split by category"),
    "dart": (TWO, {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3}, "the booster dart"),
    "linear": (TWO, {"objective": "binary:logistic", "booster": "gblinear"}, "the booster gblinear"),
    "classes": (THREE, {"objective": "multi:softmax", "num_class": 3}, "the objective multi:softmax"),
    "cox": (VALUE + 20, {"objective": "survival:cox"}, "the objective survival:cox"),
    "quantiles": (VALUE, {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, "ONNX"),
    "hinge": (TWO, {"objective": "binary:hinge"}, "does not agree"),
    "two targets": (np.stack([VALUE, 2 * VALUE], 1), {"objective": "reg:squarederror"}, "does not agree"),
    "base": (VALUE + 500, {"objective": "reg:squarederror", "base_score": 490.0}, ""),
    "forests": (TWO, {"objective": "binary:logistic", "num_parallel_tree": 3, "subsample": 0.5}, ""),
    "gamma": (TWO + 1, {"objective": "reg:gamma"}, ""),
}
"""Models of XGBoost: labels, parameters, and why XGBoost serves them itself; "": they are served as ONNX."""


@pytest.mark.parametrize(
    ("ending", "name"),
    [("json", name) for name in OTHERS] + [("ubj", name) for name in ("categories", "linear", "two targets", "base")],
)
def test_other_models_of_xgboost(tmp_path: Path, name: str, ending: str) -> None:
    labels, more, reason = OTHERS[name]
    rows, types = X.copy(), None
    if "categories" in name:
        rows[:, 3] = np.random.default_rng(3).integers(0, 6, len(X))
        types = ["float", "float", "int", "c"]
    data = xgboost.DMatrix(rows, labels, feature_types=types, enable_categorical=True)
    booster = xgboost.train({"nthread": 1, **more}, data, 6)
    booster.save_model(tmp_path / f"m.{ending}")
    served = convert_here(tmp_path / f"m.{ending}", tmp_path / "1")
    assert served["runtime"] == ("worker" if reason else "onnx")
    assert reason in served["reason"]
    check(tmp_path / "1", rows, booster.predict(data))


def test_lightgbm(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    for number, (objective, labels) in enumerate((("binary", TWO), ("multiclass", THREE), ("regression", VALUE))):
        settings = {"objective": objective, "verbose": -1, "num_threads": 1}
        if objective == "multiclass":
            settings["num_class"] = 3
        booster = lightgbm.train(settings, lightgbm.Dataset(X, labels), 8)
        file = tmp_path / f"model{number}.txt"
        booster.save_model(file)
        assert convert(file, tmp_path / f"{number}")["runtime"] == "onnx"
        check(tmp_path / f"{number}", X, booster.predict(X))


@pytest.mark.parametrize(
    ("model", "labels", "method", "runtime"),
    [
        (LogisticRegression(), np.array(["bkg", "sig"])[TWO], "predict_proba", "onnx"),
        (RandomForestClassifier(10, random_state=1), THREE, "predict_proba", "onnx"),
        (LinearSVC(), TWO, "decision_function", "onnx"),
        (LinearRegression(), VALUE, "predict", "onnx"),
        (GaussianProcessRegressor(), VALUE, "predict", None),
    ],
)
def test_sklearn(tmp_path: Path, model: Any, labels: NDArray[Any], method: str, runtime: str | None) -> None:
    model.fit(FULL, labels)
    skops.io.dump(model, tmp_path / "m.skops")
    served = convert(tmp_path / "m.skops", tmp_path / "1")
    assert runtime is None or served["runtime"] == runtime, served["reason"]
    if method == "predict_proba":
        assert served["outputs"][0]["columns"] == [str(name) for name in model.classes_]
    check(tmp_path / "1", FULL, getattr(model, method)(FULL))
    if isinstance(model, RandomForestClassifier):  # takes missing values at prediction
        check(tmp_path / "1", X, model.predict_proba(X))


def test_labels_and_parameters_travel_along(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    xgboost.train({"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(X, THREE), 2).save_model(
        folder / "m.ubj"
    )
    (folder / "labels.txt").write_text("a\nb\nc\n")
    (folder / "params.json").write_text(json.dumps({"name": "x", "description": "old"}))
    served = convert(folder, tmp_path / "1", {"description": "new"})
    assert served["params"] == {"name": "x", "description": "new"}
    assert served["labels"] == ["a", "b", "c"]
    with opened(tmp_path / "1") as runtime:
        assert runtime.outputs[0].columns == ("a", "b", "c")
    assert sorted(path.name for path in (tmp_path / "1" / "original").iterdir()) == [
        "labels.txt",
        "m.ubj",
        "params.json",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "in"]


def test_skops_that_is_refused(tmp_path: Path) -> None:
    import os

    skops.io.dump(FunctionTransformer(os.getcwd), tmp_path / "m.skops")
    with pytest.raises(ModelRefusedError, match=r"types that are not trusted \(.*getcwd"):
        convert(tmp_path / "m.skops", tmp_path / "1")
    skops.io.dump(StandardScaler().fit(FULL), tmp_path / "m.skops")
    with pytest.raises(ModelRefusedError, match="a StandardScaler, which is not a fitted classifier"):
        convert(tmp_path / "m.skops", tmp_path / "1")
    assert not (tmp_path / "1").exists()


@pytest.mark.parametrize("kind", ["binary:logistic", "multi:softprob"])
def test_all_trees_of_xgboost_count_after_an_early_stop(tmp_path: Path, kind: str) -> None:
    labels, more = (THREE, {"num_class": 3}) if kind.startswith("multi") else (TWO, {})
    shuffled = np.random.default_rng(5).permutation(labels)
    booster = xgboost.train(
        {"objective": kind, "eta": 0.9, "nthread": 1, **more},
        xgboost.DMatrix(X, labels),
        30,
        evals=[(xgboost.DMatrix(X, shuffled), "other")],
        early_stopping_rounds=5,
        verbose_eval=False,
    )
    assert booster.best_iteration + 1 < booster.num_boosted_rounds()
    booster.save_model(tmp_path / "m.ubj")
    assert convert(tmp_path / "m.ubj", tmp_path / "1")["runtime"] == "onnx"
    check(tmp_path / "1", X, xgboost.Booster(model_file=tmp_path / "m.ubj").predict(xgboost.DMatrix(X)))


def test_lightgbm_names_that_nobody_gave(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    for names in (None, ["a", "b", "c", "d"]):
        data = lightgbm.Dataset(X, TWO, feature_name=names or "auto")
        lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 2).save_model(tmp_path / "m.txt")
        served = convert(tmp_path / "m.txt", tmp_path / ("named" if names else "plain"))
        assert served["inputs"][0]["columns"] == (names or [])


def test_scores_that_differ_little_are_compared_by_their_spread(tmp_path: Path) -> None:
    data = xgboost.DMatrix(FULL, 511_000 + 2 * FULL[:, 0])
    booster = xgboost.train({"max_depth": 4, "nthread": 1}, data, 100)
    booster.save_model(tmp_path / "m.json")
    served = convert_here(tmp_path / "m.json", tmp_path / "1")
    with opened(tmp_path / "1") as runtime:
        found = runtime.run({"features": FULL}, timeout=60)["scores"][:, 0]
    wanted = booster.predict(data)
    assert np.abs(found - wanted).max() < 0.3
    assert served["runtime"] == "worker"
    assert "of the spread of its values" in served["reason"]
