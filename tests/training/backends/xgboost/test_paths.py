"""Beyond the memory limit XGBoost trains the model that it trains in memory, whatever the constructor was given."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors import MemoryLimitError, ModelFileError
from mlaas4hep.training.backends.xgboost.backend import XGBoostBackend
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings, train_and_validation

xgboost = pytest.importorskip("xgboost")


def custom_objective(y: Any, margin: Any, sample_weight: Any = None) -> Any:
    """Logistic loss in which the signal counts five times."""
    factor = np.where(y == 1, 5.0, 1.0) * (1.0 if sample_weight is None else sample_weight)
    p = 1.0 / (1.0 + np.exp(-margin))
    return factor * (p - y), factor * np.maximum(p * (1 - p), 1e-6)


def custom_regression(y: Any, value: Any, sample_weight: Any = None) -> Any:
    """Squared error in which too small is worse than too large."""
    factor = np.where(value < y, 4.0, 1.0) * (1.0 if sample_weight is None else sample_weight)
    return factor * (value - y), factor


def custom_metric(y: Any, scores: Any, sample_weight: Any = None) -> float:  # noqa: ARG001
    """Smallest after a few rounds, so that a training that watches it stops there."""
    return float(np.abs(np.abs(scores - scores.mean()).mean() - 0.25))


class Shrinking(xgboost.callback.TrainingCallback):  # type: ignore[name-defined]
    """Halves the learning rate before each round."""

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        model.set_param({"learning_rate": 0.4 * 0.5**epoch})
        return False


VALUES: dict[str, list[Any]] = {
    "max_depth": [2],
    "max_leaves": [5],
    "max_bin": [16],
    "grow_policy": ["lossguide"],
    "learning_rate": [0.1],
    "n_estimators": [3],
    "verbosity": [0],
    "objective": [custom_objective, "binary:hinge", "reg:squarederror", "binary:logitraw"],
    "booster": ["dart", "gblinear"],
    "tree_method": ["approx", "exact", "hist"],
    "n_jobs": [2],
    "gamma": [4.0],
    "min_child_weight": [60.0],
    "max_delta_step": [0.1],
    "subsample": [0.5],
    "sampling_method": ["uniform"],
    "colsample_bytree": [0.5],
    "colsample_bylevel": [0.5],
    "colsample_bynode": [0.5],
    "reg_alpha": [30.0],
    "reg_lambda": [100.0],
    "scale_pos_weight": [8.0],
    "base_score": [0.9],
    "random_state": [5],
    "missing": [0.0],
    "num_parallel_tree": [3],
    "monotone_constraints": ["(1,-1,0,0)"],
    "interaction_constraints": ["[[0, 1], [2, 3]]"],
    "importance_type": ["weight"],
    "device": ["cpu"],
    "validate_parameters": [True],
    "enable_categorical": [True],
    "feature_types": [["q", "q", "q", "int"]],
    "feature_weights": [np.array([1.0, 0.1, 0.5, 0.01])],
    "max_cat_to_onehot": [2],
    "max_cat_threshold": [8],
    "multi_strategy": ["one_output_per_tree"],
    "eval_metric": [custom_metric, "auc", ["error", custom_metric]],
    "early_stopping_rounds": [2],
    "callbacks": [[Shrinking()]],
}
ROUGH = [(name, VALUES[name][0]) for name in ("subsample", "max_bin", "tree_method")]
"""What draws events at random (another order is another draw) or takes few or new quantiles of parts in each round:
the trees differ, what they say does not."""
MORE: dict[str, dict[str, Any]] = {
    "eval_metric": {"early_stopping_rounds": 2},
    "feature_weights": {"colsample_bynode": 0.5},
}
"""What a parameter needs beside it to have an effect."""
CASES = [(name, value) for name in VALUES for value in VALUES[name]]


def data(limited: bool, task: str) -> tuple[MemoryEvents, MemoryEvents]:
    """Events of which many a value is exactly 0, and which are seen in three chunks."""
    parts = train_and_validation(task, weights=True, limited=limited)
    for part in parts:
        part.data.x[:, 3] = np.round(np.abs(part.data.x[:, 3]))
        part.data.x[::5, 0] = 0.0
    return parts


@pytest.mark.parametrize("kind", ["XGBClassifier", "XGBRegressor"])
def test_every_constructor_parameter_is_tried(kind: str) -> None:
    parameters = set(inspect.signature(xgboost.XGBModel.__init__).parameters)
    parameters |= set(inspect.signature(getattr(xgboost, kind).__init__).parameters)
    assert parameters - {"self", "kwargs"} == set(VALUES)


@pytest.mark.parametrize("kind", ["XGBClassifier", "XGBRegressor"])
@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
def test_beyond_the_memory_limit_each_parameter_means_the_same(
    kind: str, name: str, value: Any, tmp_path: Path
) -> None:
    regression = kind == "XGBRegressor"
    task: Any = "regression" if regression else "binary"
    if regression and name == "objective":
        value = custom_regression if callable(value) else "reg:absoluteerror"
    if regression and isinstance(value, str) and value == "auc":
        value = "mae"
    options = {"n_estimators": 8, "learning_rate": 0.4, **MORE.get(name, {}), name: value}
    x = make_sample(800, task=task, seed=9).x
    scores: list[Any] = []
    rounds: list[int] = []
    refused = False
    for limited in (False, True):
        settings = fit_settings(tmp_path / str(limited), task=task, classes=0 if regression else 2)
        model = getattr(xgboost, kind)(**options)
        backend = XGBoostBackend()
        try:
            model, history = backend.fit(model, *data(limited, task), settings)
        except (MemoryLimitError, ModelFileError):
            refused = True
            break
        scores.append(backend.predict(model, x, task))
        rounds.append(history.epochs)
    if refused:
        assert len(rounds) == 1
        assert (name, value) in (("booster", "gblinear"), ("tree_method", "exact"))
        assert not settings.checkpoint.exists()
        return
    assert rounds[0] == rounds[1]
    if any(name == rough and value is other for rough, other in ROUGH):
        assert np.corrcoef(scores[0][:, 0], scores[1][:, 0])[0, 1] > 0.85
        assert abs(scores[0].mean() - scores[1].mean()) < 0.1 * scores[0].std()
        return
    # Sums over events in another order, and quantiles of other parts: not the same bits.
    assert np.abs(scores[0] - scores[1]).mean() < 2e-2 * scores[0].std()


def test_early_stopping_without_validation_events_is_refused(tmp_path: Path) -> None:
    train, validation = train_and_validation()
    validation.data = make_sample(0)
    for limited in (False, True):
        train.limited = limited
        model = xgboost.XGBClassifier(n_estimators=5, early_stopping_rounds=2)
        with pytest.raises(ModelFileError, match="needs validation events"):
            XGBoostBackend().fit(model, train, validation, fit_settings(tmp_path))
