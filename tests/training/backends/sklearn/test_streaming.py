from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from mlaas4hep.training.backends.sklearn.backend import SklearnBackend
from tests.support.events import make_sample
from tests.support.fitting import auc, fit_settings, interrupted_after, train_and_validation

BACKEND = SklearnBackend()


@pytest.mark.parametrize("order", ["standard", "chunk"])
@pytest.mark.parametrize("weights", [False, True])
def test_epochs_are_partial_fits_over_chunks(order: str, weights: bool, tmp_path: Path) -> None:
    train, validation = train_and_validation(weights=weights)
    settings = fit_settings(tmp_path, epochs=3, order=order, early_stopping=None)
    model, history = BACKEND.fit(MLPClassifier((8,)), train, validation, settings)
    direct = MLPClassifier((8,), random_state=3)
    if order == "standard":
        chunks = [chunk for epoch in range(3) for chunk in train.chunks(epoch)]
    else:
        chunks = [chunk for chunk in train.chunks(0) for _ in range(3)]
    for chunk in chunks:
        direct.partial_fit(chunk.x, chunk.y, chunk.weight if weights else None, [0, 1])
    x = make_sample(300, seed=9).x
    assert (BACKEND.predict(model, x, "binary")[:, 0] == direct.predict_proba(x)[:, 1].astype(np.float32)).all()
    assert history.epochs == (3 if order == "standard" else 9)
    assert [len(curve) for curve in history.curves.values()] == [history.epochs] * 4
    assert not train.loads


def test_events_that_do_not_fit_are_streamed(tmp_path: Path) -> None:
    model, _ = BACKEND.fit(GaussianNB(), *train_and_validation(limited=True), fit_settings(tmp_path))
    test = make_sample(1000, seed=9)
    assert auc(BACKEND.predict(model, test.x, "binary"), test.y) > 0.9


def test_resuming_gives_the_same_model(tmp_path: Path) -> None:
    settings = fit_settings(tmp_path, epochs=6)
    x = make_sample(300, seed=9).x
    data = train_and_validation(weights=True)
    whole, history = BACKEND.fit(MLPClassifier((8,)), *data, replace(settings, checkpoint=tmp_path / "other"))
    with interrupted_after(2) as changes:
        BACKEND.fit(MLPClassifier((8,)), *data, replace(settings, **changes))
    resumed, again = BACKEND.fit(MLPClassifier((8,)), *data, replace(settings, resume=True))
    assert (BACKEND.predict(whole, x, "binary") == BACKEND.predict(resumed, x, "binary")).all()
    assert again == history


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path) -> None:
    data = train_and_validation()
    settings = fit_settings(tmp_path, epochs=30, early_stopping=2)
    model, history = BACKEND.fit(SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.5), *data, settings)
    assert history.stopped_early
    losses = history.curves["val_loss"]
    best = int(np.argmin(losses))
    assert best == len(losses) - 3
    x, y = data[1].data.x, data[1].data.y
    scores = BACKEND.predict(model, x, "binary")[:, 0].astype(np.float64).clip(1e-7, 1 - 1e-7)
    loss = -np.where(y == 1, np.log(scores), np.log(1 - scores)).mean()
    assert loss == pytest.approx(losses[best], rel=1e-6)


def test_regression_streams(tmp_path: Path) -> None:
    settings = fit_settings(tmp_path, epochs=5, task="regression", classes=0)
    model, history = BACKEND.fit(SGDRegressor(), *train_and_validation("regression"), settings)
    test = make_sample(500, task="regression", seed=9)
    assert np.mean((BACKEND.predict(model, test.x, "regression")[:, 0] - test.y) ** 2) < 0.05
    assert set(history.curves) == {"loss", "val_loss"}


def test_multiclass_streams(tmp_path: Path) -> None:
    settings = fit_settings(tmp_path, epochs=5, task="multiclass", classes=3)
    warnings: list[str] = []
    model, _ = BACKEND.fit(Perceptron(), *train_and_validation("multiclass"), replace(settings, warn=warnings.append))
    test = make_sample(500, task="multiclass", seed=9)
    assert (BACKEND.predict(model, test.x, "multiclass").argmax(axis=1) == test.y).mean() > 0.6
    assert warnings == []


def test_progress_after_each_chunk(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []

    def progress(epoch: int, done: int, figures: dict[str, float]) -> None:
        assert figures["loss"] > 0
        calls.append((epoch, done))

    settings = fit_settings(tmp_path, epochs=2, progress=progress)
    BACKEND.fit(GaussianNB(), *train_and_validation(), settings)
    assert calls == [(0, 500), (0, 1000), (0, 1200), (1, 500), (1, 1000), (1, 1200)]


def _early() -> Any:
    return MLPClassifier((8,), max_iter=10, early_stopping=True)


def test_own_early_stopping_needs_all_events(tmp_path: Path) -> None:
    warnings: list[str] = []
    train, validation = train_and_validation()
    model, _ = BACKEND.fit(_early(), train, validation, fit_settings(tmp_path, epochs=3, warn=warnings.append))
    assert "MLPClassifier(early_stopping=True) splits the events itself" in warnings[0]
    assert train.loads == ["load"]
    assert model.early_stopping


def test_own_early_stopping_is_switched_off_when_streaming(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = fit_settings(tmp_path, epochs=1, warn=warnings.append)
    model, _ = BACKEND.fit(_early(), *train_and_validation(limited=True), settings)
    assert warnings == ["MLPClassifier: early_stopping is switched off, since the events are streamed"]
    assert not model.early_stopping


def test_partial_fit_without_weights_says_so(tmp_path: Path) -> None:
    class Unweighted(GaussianNB):
        def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
            return super().partial_fit(X, y, classes)

    warnings: list[str] = []
    settings = fit_settings(tmp_path, epochs=1, warn=warnings.append)
    BACKEND.fit(Unweighted(), *train_and_validation(weights=True), settings)
    assert warnings == ["Unweighted takes no weights in partial_fit: all events count the same in training"]


def test_early_stopping_of_a_model_without_epochs_is_refused_aloud(tmp_path: Path) -> None:
    warnings: list[str] = []
    settings = fit_settings(tmp_path, epochs=3, early_stopping=2, warn=warnings.append)
    BACKEND.fit(KNeighborsClassifier(), *train_and_validation(), settings)
    assert warnings == ["KNeighborsClassifier knows no epochs: early stopping has no effect"]
