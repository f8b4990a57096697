from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlaas4hep.training.backends.sklearn.backend import SklearnBackend
from tests.support.fitting import fit_settings, train_and_validation

MODELS = [
    ("binary", GradientBoostingClassifier(n_estimators=7)),
    ("binary", AdaBoostClassifier(n_estimators=7)),
    ("binary", make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=7))),
    ("multiclass", GradientBoostingClassifier(n_estimators=7)),
    ("regression", GradientBoostingRegressor(n_estimators=7)),
]


@pytest.mark.parametrize(("task", "model"), MODELS)
def test_boosted_trees_have_a_learning_curve_of_all_stages(task: Any, model: Any, tmp_path: Path) -> None:
    train, validation = train_and_validation(task, weights=True)
    settings = fit_settings(tmp_path, task=task, classes={"binary": 2, "multiclass": 3, "regression": 0}[task])
    model, history = SklearnBackend().fit(model, train, validation, settings)
    assert history.epochs == 7
    last = model[-1] if hasattr(model, "steps") else model
    for part, prefix in ((train.data, ""), (validation.data, "val_")):
        x = model[:-1].transform(part.x) if hasattr(model, "steps") else part.x
        if task == "regression":
            expected = [mean_squared_error(part.y, p, sample_weight=part.weight) for p in last.staged_predict(x)]
        else:
            stages = list(last.staged_predict_proba(x))
            expected = [log_loss(part.y, p.clip(1e-7, 1 - 1e-7), sample_weight=part.weight) for p in stages]
            right = [accuracy_score(part.y, p.argmax(axis=1), sample_weight=part.weight) for p in stages]
            assert history.curves[f"{prefix}accuracy"] == pytest.approx(right)
        assert history.curves[f"{prefix}loss"] == pytest.approx(expected, rel=1e-4)


def test_other_models_have_the_figures_of_their_end(tmp_path: Path) -> None:
    _, history = SklearnBackend().fit(LogisticRegression(), *train_and_validation(), fit_settings(tmp_path))
    assert history.epochs == 1
    assert {len(values) for values in history.curves.values()} == {1}
