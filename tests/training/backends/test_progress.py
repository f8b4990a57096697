"""What is told while a model is trained: a total where it is known, and no more and no fewer events than were seen."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlaas4hep.training.backends.base import Backend
from mlaas4hep.training.backends.keras.backend import KerasBackend
from mlaas4hep.training.backends.sklearn.backend import SklearnBackend
from mlaas4hep.training.backends.torch.backend import TorchBackend
from mlaas4hep.training.backends.xgboost.backend import XGBoostBackend
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings

SIZE = 961


def reached(
    backend: Backend, model: Any, folder: Path, epochs: int | None, module: ModuleType | None = None
) -> list[int]:
    """Events told of, from the first to the last time."""
    told: list[int] = []
    settings = fit_settings(
        folder,
        epochs=epochs,
        module=module,
        progress=lambda epoch, done, _figures: told.append(epoch * SIZE + done),
    )
    backend.fit(model, MemoryEvents(make_sample(SIZE)), MemoryEvents(make_sample(100)), settings)
    assert told == sorted(told)
    return told


@pytest.mark.parametrize("epochs", [3, None])
def test_a_total_that_is_reached(epochs: int | None, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 1))
    passes = TorchBackend().passes(model, epochs, None)
    assert passes is not None
    assert reached(TorchBackend(), model, tmp_path, epochs)[-1] == passes * SIZE


def test_rounds_are_the_total_of_boosted_trees(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=7, max_depth=2)
    assert XGBoostBackend().passes(model, None, None) == 7
    assert reached(XGBoostBackend(), model, tmp_path, None) == [number * SIZE for number in range(1, 8)]


def test_scikit_learn_has_a_total_only_where_it_is_trained_by_epochs(tmp_path: Path) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    ensemble = pytest.importorskip("sklearn.ensemble")
    model = linear.SGDClassifier(loss="log_loss")
    assert SklearnBackend().passes(model, 3, None) == 3
    assert reached(SklearnBackend(), model, tmp_path, 3)[-1] == 3 * SIZE
    assert SklearnBackend().passes(model, None, None) is None
    assert SklearnBackend().passes(ensemble.RandomForestClassifier(), 3, None) is None


def test_a_torch_loop_of_its_own_is_counted_by_the_batches_it_gets(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    def train_clf(model: Any, train_loader: Any, val_loader: Any) -> Any:
        for _ in range(3):
            list(train_loader)
            list(val_loader)
        return model

    module = ModuleType("own")
    module.train_clf = train_clf  # type: ignore[attr-defined]
    model = torch.nn.Sequential(torch.nn.Linear(4, 1))
    assert TorchBackend().passes(model, None, module) is None
    told = reached(TorchBackend(), model, tmp_path, None, module)
    assert told[-1] == 3 * SIZE
    assert 3 < len(told) <= 3 * 20 + 1


def test_a_keras_fit_of_its_own_has_no_total() -> None:
    keras = pytest.importorskip("keras")

    class Own(keras.Model):  # type: ignore[name-defined]
        def fit(self, x: Any, y: Any) -> None: ...

    assert KerasBackend().passes(Own(), None, None) is None
    assert KerasBackend().passes(keras.Sequential([keras.layers.Dense(1)]), 4, None) == 4
