from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors import ConversionError, ModelFileError
from mlaas4hep.training.backends.xgboost.backend import XGBoostBackend
from mlaas4hep.training.user_code.user_model import build_model, load_model_file
from tests.support.events import make_sample
from tests.support.fitting import MODELS, auc, fit_settings, interrupted_after, run_onnx, train_and_validation

xgboost = pytest.importorskip("xgboost")

BACKEND = XGBoostBackend()
TASKS = [("binary", 2), ("multiclass", 3), ("regression", 0)]


def make(task: str, **options: Any) -> Any:
    kind = xgboost.XGBRegressor if task == "regression" else xgboost.XGBClassifier
    return kind(**{"n_estimators": 12, "learning_rate": 0.4, **options})


def test_example_file(tmp_path: Path) -> None:
    model = build_model(load_model_file(MODELS / "xgb.py"), 4)
    model, history = BACKEND.fit(model, *train_and_validation(), fit_settings(tmp_path))
    sample = make_sample(1200, seed=1)
    direct = build_model(load_model_file(MODELS / "xgb.py"), 4)
    direct.set_params(random_state=3, n_jobs=1).fit(sample.x, sample.y)  # type: ignore[attr-defined]
    test = make_sample(2000, seed=9)
    scores = BACKEND.predict(model, test.x, "binary")
    assert (scores == direct.predict_proba(test.x)[:, 1:]).all()  # type: ignore[attr-defined]
    assert auc(scores, test.y) > 0.9
    assert history.epochs == len(history.curves["loss"]) == len(history.curves["val_loss"]) == 60
    assert np.abs(run_onnx(BACKEND.to_onnx(model, 4, "binary"), test.x) - scores).max() < 1e-5


@pytest.mark.parametrize(("task", "classes"), TASKS)
@pytest.mark.parametrize("limited", [False, True])
def test_weights_missing_values_and_external_memory(task: Any, classes: int, limited: bool, tmp_path: Path) -> None:
    data = train_and_validation(task, weights=True, missing=0.1, limited=limited)
    model, _ = BACKEND.fit(make(task), *data, fit_settings(tmp_path, task=task, classes=classes))
    sample = make_sample(1200, task=task, seed=1, weights=True, missing=0.1)
    direct = make(task, random_state=3, n_jobs=1).fit(sample.x, sample.y, sample_weight=sample.weight)
    x = make_sample(1000, task=task, seed=9, missing=0.1).x
    expected = direct.predict(x)[:, None] if task == "regression" else direct.predict_proba(x)
    scores = BACKEND.predict(model, x, task)
    # Sums over events in another order: external memory sees them shuffled.
    assert np.allclose(scores, expected[:, 1:] if task == "binary" else expected, atol=1e-3 if limited else 0)
    unweighted = make(task, random_state=3, n_jobs=1).fit(sample.x, sample.y)
    other = unweighted.predict(x)[:, None] if task == "regression" else unweighted.predict_proba(x)
    assert not np.allclose(scores, other[:, 1:] if task == "binary" else other, atol=1e-2)
    onnx_scores = run_onnx(BACKEND.to_onnx(model, 4, task), x)
    assert onnx_scores.shape == scores.shape
    assert np.abs(onnx_scores - scores).max() < 1e-5


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("metric", [None, "auc", ["auc", "logloss"]])
@pytest.mark.parametrize("limited", [False, True])
def test_early_stopping_uses_the_best_round(own: bool, metric: Any, limited: bool, tmp_path: Path) -> None:
    patience = {"early_stopping_rounds": 3} if own else {}
    settings = fit_settings(tmp_path, early_stopping=None if own else 3)
    data = train_and_validation(limited=limited)
    model, history = BACKEND.fit(make("binary", n_estimators=80, eval_metric=metric, **patience), *data, settings)
    assert history.stopped_early
    curve = np.array(history.curves["val_auc" if metric == "auc" else "val_logloss" if metric else "val_loss"])
    best = int(curve.argmax() if metric == "auc" else curve.argmin())
    assert len(curve) == best + 4
    x = make_sample(300, seed=9).x
    scores = BACKEND.predict(model, x, "binary")
    expected = model.get_booster().inplace_predict(x, iteration_range=(0, best + 1))
    assert np.allclose(scores[:, 0], expected, atol=1e-6)
    assert np.abs(run_onnx(BACKEND.to_onnx(model, 4, "binary"), x) - scores).max() < 1e-5
    assert model.n_estimators == 80


@pytest.mark.parametrize("patience", [None, 3])
@pytest.mark.parametrize("limited", [False, True])
def test_resuming_gives_the_same_model(patience: int | None, limited: bool, tmp_path: Path) -> None:
    settings = fit_settings(tmp_path, early_stopping=patience)
    data = train_and_validation(weights=True, limited=limited)
    x = make_sample(300, seed=9).x
    whole, history = BACKEND.fit(make("binary"), *data, replace(settings, checkpoint=tmp_path / "other"))
    with interrupted_after(4) as changes:
        BACKEND.fit(make("binary"), *data, replace(settings, **changes))
    for _ in range(2):  # the second time there is nothing left to train
        resumed, again = BACKEND.fit(make("binary"), *data, replace(settings, resume=True))
        assert (BACKEND.predict(whole, x, "binary") == BACKEND.predict(resumed, x, "binary")).all()
        assert again == history


def test_a_model_that_draws_starts_anew(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = replace(fit_settings(tmp_path), alert=warnings.append)
    data = train_and_validation()
    x = make_sample(300, seed=9).x
    whole, _ = BACKEND.fit(make("binary", subsample=0.5), *data, settings)
    resumed, _ = BACKEND.fit(make("binary", subsample=0.5), *data, replace(settings, resume=True))
    assert (BACKEND.predict(whole, x, "binary") == BACKEND.predict(resumed, x, "binary")).all()
    assert warnings == ["XGBClassifier draws at random, so it starts again instead of resuming"]


def test_another_model_is_not_resumed(tmp_path: Path) -> None:
    data = train_and_validation()
    BACKEND.fit(make("binary"), *data, fit_settings(tmp_path))
    with pytest.raises(ModelFileError, match="the checkpoint was made with parameters"):
        BACKEND.fit(make("binary", max_depth=2), *data, fit_settings(tmp_path, resume=True))


def test_progress_and_checkpoint(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    settings = fit_settings(tmp_path, progress=lambda epoch, done, _: calls.append((epoch, done)))
    BACKEND.fit(make("binary"), *train_and_validation(), settings)
    assert calls == [(number, 1200) for number in range(12)]
    assert [path.name for path in settings.checkpoint.iterdir()] == ["checkpoint.zip"]


def test_random_forest(tmp_path: Path) -> None:
    model, history = BACKEND.fit(
        xgboost.XGBRFClassifier(n_estimators=5), *train_and_validation(), fit_settings(tmp_path)
    )
    test = make_sample(500, seed=9)
    scores = BACKEND.predict(model, test.x, "binary")
    assert auc(scores, test.y) > 0.88
    assert history.epochs == 1
    assert np.abs(run_onnx(BACKEND.to_onnx(model, 4, "binary"), test.x) - scores).max() < 1e-5


def test_saved_models_are_the_same_bytes_and_load(tmp_path: Path) -> None:
    contents = []
    for number in (1, 2):
        model, _ = BACKEND.fit(make("binary"), *train_and_validation(), fit_settings(tmp_path))
        folder = tmp_path / str(number)
        folder.mkdir()
        BACKEND.save(model, folder, tmp_path)
        contents.append((folder / "model.ubj").read_bytes())
    assert contents[0] == contents[1]
    loaded = xgboost.XGBClassifier()
    loaded.load_model(tmp_path / "1" / "model.ubj")
    x = make_sample(100, seed=9).x
    assert (BACKEND.predict(loaded, x, "binary") == BACKEND.predict(model, x, "binary")).all()


@pytest.mark.parametrize(
    ("options", "expected"), [({}, True), ({"booster": "gblinear"}, False), ({"missing": -999.0}, False)]
)
def test_who_takes_missing_values(options: dict[str, Any], expected: bool) -> None:
    assert BACKEND.takes_missing(make("binary", **options)) is expected


@pytest.mark.parametrize(
    ("model", "task", "message"),
    [
        (xgboost.XGBRegressor(), "binary", "XGBRegressor is not a classifier, the task is binary"),
        (xgboost.XGBClassifier(), "regression", "XGBClassifier is not a regressor, the task is regression"),
        (xgboost.XGBClassifier(max_depth=-3), "binary", "XGBClassifier cannot be trained: XGBoostError"),
    ],
)
def test_models_that_do_not_fit(model: Any, task: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=message) as caught:
        BACKEND.fit(model, *train_and_validation(task), fit_settings(tmp_path, task=task))
    assert "\n" not in str(caught.value)


def test_settings_that_have_no_effect_are_announced(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = fit_settings(tmp_path, epochs=3, order="chunk", warn=warnings.append)
    BACKEND.fit(make("binary"), *train_and_validation(), settings)
    assert warnings == [
        "XGBClassifier knows no epochs: it is trained for its 12 rounds",
        "XGBClassifier cannot be trained chunk by chunk: it is trained on all events at once",
    ]


def test_a_booster_without_conversion_says_so(tmp_path: Path) -> None:
    model, _ = BACKEND.fit(make("binary", booster="dart"), *train_and_validation(), fit_settings(tmp_path))
    with pytest.raises(ConversionError, match="XGBClassifier cannot be converted to ONNX"):
        BACKEND.to_onnx(model, 4, "binary")
