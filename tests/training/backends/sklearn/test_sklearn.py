from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mlaas4hep.errors import MemoryLimitError, ModelFileError
from mlaas4hep.training.backends.sklearn.backend import SklearnBackend
from mlaas4hep.training.events.outputs import Said
from mlaas4hep.training.user_code.user_model import build_model, load_model_file
from tests.support.events import make_sample
from tests.support.fitting import MODELS, auc, fit_settings, run_onnx, train_and_validation

EXAMPLES = [
    "ada_boost",
    "decision_tree",
    "gradient_boosting",
    "hist_gradient_boosting",
    "k_neighbors",
    "logistic_regression",
    "random_forest",
    "sklearn_mlp",
    "svc",
]
BACKEND = SklearnBackend()


def example(name: str) -> Any:
    return build_model(load_model_file(MODELS / f"{name}.py"), 4)


def directly(model: Any, weights: bool = False) -> Any:
    """The framework called directly with seed 3 wherever it takes one."""
    if "random_state" in model.get_params():
        model.set_params(random_state=3)
    sample = make_sample(1200, seed=1, weights=weights)
    return model.fit(sample.x, sample.y, **({"sample_weight": sample.weight} if weights else {}))


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
@pytest.mark.parametrize("name", EXAMPLES)
def test_example_file(name: str, tmp_path: Path) -> None:
    model, history = BACKEND.fit(example(name), *train_and_validation(), fit_settings(tmp_path))
    test = make_sample(2000, seed=9)
    scores = BACKEND.predict(model, test.x, "binary")
    assert scores.shape == (2000, 1)
    assert scores.dtype == np.float32
    assert np.allclose(scores[:, 0], directly(example(name)).predict_proba(test.x)[:, 1], atol=1e-7)
    assert auc(scores, test.y) > 0.88
    assert set(history.curves) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert np.abs(run_onnx(BACKEND.to_onnx(model, 4, "binary"), test.x) - scores).max() < 1e-5


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
@pytest.mark.parametrize("name", EXAMPLES)
def test_saved_models_are_the_same_bytes_and_load(name: str, tmp_path: Path) -> None:
    contents = []
    for number in (1, 2):
        model, _ = BACKEND.fit(example(name), *train_and_validation(), fit_settings(tmp_path))
        folder = tmp_path / str(number)
        folder.mkdir()
        BACKEND.save(model, folder, tmp_path)
        contents.append((folder / "model.skops").read_bytes())
    assert contents[0] == contents[1]
    loaded = skops.io.loads(contents[0], trusted=skops.io.get_untrusted_types(data=contents[0]))
    x = make_sample(100, seed=9).x
    assert (BACKEND.predict(loaded, x, "binary") == BACKEND.predict(model, x, "binary")).all()


@pytest.mark.parametrize("name", ["decision_tree", "hist_gradient_boosting", "sklearn_mlp", "logistic_regression"])
def test_weights_are_used(name: str, tmp_path: Path) -> None:
    model, _ = BACKEND.fit(example(name), *train_and_validation(weights=True), fit_settings(tmp_path))
    x = make_sample(500, seed=9).x
    scores = BACKEND.predict(model, x, "binary")[:, 0]
    assert np.allclose(scores, directly(example(name), weights=True).predict_proba(x)[:, 1], atol=1e-7)
    assert not np.allclose(scores, directly(example(name)).predict_proba(x)[:, 1], atol=1e-3)


def test_weights_reach_the_last_step_of_a_pipeline(tmp_path: Path) -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    model, _ = BACKEND.fit(pipeline, *train_and_validation(weights=True), fit_settings(tmp_path))
    sample = make_sample(1200, seed=1, weights=True)
    other = make_pipeline(StandardScaler(), LogisticRegression())
    other.fit(sample.x, sample.y, logisticregression__sample_weight=sample.weight)
    assert np.allclose(model.predict_proba(sample.x), other.predict_proba(sample.x))


def test_a_model_without_weights_says_so(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = fit_settings(tmp_path, warn=warnings.append)
    BACKEND.fit(KNeighborsClassifier(), *train_and_validation(weights=True), settings)
    pipeline = make_pipeline(StandardScaler(), KNeighborsClassifier())
    BACKEND.fit(pipeline, *train_and_validation(weights=True), settings)
    assert warnings == ["KNeighborsClassifier takes no weights: all events count the same in training"] * 2


def test_nested_random_states_are_set_unless_given(tmp_path: Path) -> None:
    model = BaggingClassifier(DecisionTreeClassifier(random_state=8), n_estimators=2)
    BACKEND.fit(model, *train_and_validation(), fit_settings(tmp_path))
    assert (model.random_state, model.estimator.random_state) == (3, 8)
    model = BaggingClassifier(DecisionTreeClassifier(), n_estimators=2)
    BACKEND.fit(model, *train_and_validation(), fit_settings(tmp_path))
    assert model.estimator.random_state == 3


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (HistGradientBoostingClassifier(), True),
        (HistGradientBoostingRegressor(), True),
        (make_pipeline(StandardScaler(), HistGradientBoostingClassifier()), True),
        (make_pipeline(SimpleImputer(), HistGradientBoostingClassifier()), True),
        (make_pipeline(StandardScaler(), LogisticRegression()), False),
        (make_pipeline(QuantileTransformer(), HistGradientBoostingClassifier()), False),
        (RandomForestClassifier(), False),
        (LogisticRegression(), False),
    ],
)
def test_who_takes_missing_values(model: Any, expected: bool) -> None:
    assert BACKEND.takes_missing(model) is expected


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(max_iter=10),
        make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=10)),
        make_pipeline(SimpleImputer(), HistGradientBoostingClassifier(max_iter=10)),
    ],
)
def test_missing_values_in_onnx(model: Any, tmp_path: Path) -> None:
    model, _ = BACKEND.fit(model, *train_and_validation(missing=0.2), fit_settings(tmp_path))
    x = make_sample(500, seed=9, missing=0.2).x
    assert np.abs(run_onnx(BACKEND.to_onnx(model, 4, "binary"), x) - BACKEND.predict(model, x, "binary")).max() < 1e-5


@pytest.mark.parametrize(
    ("model", "task", "message"),
    [
        (LinearRegression(), "binary", "LinearRegression is not a classifier, the task is binary; return a classifier"),
        (SVC(), "regression", "SVC is not a regressor, the task is regression; return a regressor from model"),
        (LogisticRegression(C=-1.0), "binary", "LogisticRegression cannot be trained: InvalidParameterError"),
    ],
)
def test_models_that_do_not_fit(model: Any, task: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=message):
        BACKEND.fit(model, *train_and_validation(task), fit_settings(tmp_path, task=task, classes=2))


def test_warnings_of_the_framework_reach_the_user(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = fit_settings(tmp_path, warn=warnings.append)
    BACKEND.fit(MLPClassifier((4,), max_iter=1), *train_and_validation(), settings)
    assert len(warnings) == 1
    assert "hasn't converged" in warnings[0]


def test_memory_limit_of_a_model_that_cannot_stream(tmp_path: Path) -> None:
    with pytest.raises(MemoryLimitError, match="the limit is 1 GB"):
        BACKEND.fit(LogisticRegression(), *train_and_validation(limited=True), fit_settings(tmp_path))


def test_a_model_that_cannot_stream_ignores_chunk_order_and_says_so(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = fit_settings(tmp_path, warn=warnings.append, order="chunk", epochs=3)
    model, _ = BACKEND.fit(DecisionTreeClassifier(max_depth=3), *train_and_validation(), settings)
    assert "trained on all events at once" in warnings[0]
    x = make_sample(50, seed=9).x
    expected = directly(DecisionTreeClassifier(max_depth=3)).predict_proba(x)[:, 1:]
    assert np.allclose(BACKEND.predict(model, x, "binary"), expected)


def test_no_rows_give_no_scores(tmp_path: Path) -> None:
    model, _ = BACKEND.fit(GaussianNB(), *train_and_validation(), fit_settings(tmp_path))
    assert BACKEND.predict(model, np.zeros((0, 4), np.float32), "binary").shape == (0, 1)


def test_a_score_without_probabilities_is_the_decision_function(tmp_path: Path) -> None:
    model, history = BACKEND.fit(SGDClassifier(loss="hinge"), *train_and_validation(), fit_settings(tmp_path))
    assert BACKEND.output(model, "binary") == Said(decision=True, threshold=0.0)
    sample = make_sample(400, seed=2)
    values = model.decision_function(sample.x)
    assert np.allclose(BACKEND.predict(model, sample.x, "binary")[:, 0], values, rtol=1e-5)
    hinge = np.maximum(0, 1 - (2 * sample.y - 1) * values).mean()
    assert history.curves["val_loss"] == pytest.approx([hinge], rel=1e-5)
    assert history.curves["val_accuracy"] == pytest.approx([model.score(sample.x, sample.y)])
