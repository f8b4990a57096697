"""A training loop of one's own sees the same events in the same order, whatever fits in memory."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mlaas4hep.training.backends.keras.backend import KerasBackend
from mlaas4hep.training.backends.torch.backend import TorchBackend
from mlaas4hep.training.events.base import Arrays
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings


def sorted_sample(size: int) -> Arrays:
    """All background, then all signal, as files are."""
    sample = make_sample(size)
    order = np.argsort(sample.y, kind="stable")
    return Arrays(sample.x[order], sample.y[order], sample.weight[order])


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_torch_loop_sees_the_same_order_whatever_fits_in_memory(shuffle: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    seen: list[list[Any]] = []

    def train_clf(model: Any, train_loader: Any, val_loader: Any) -> Any:
        seen.append([batch.numpy().copy() for _ in range(2) for batch, _ in train_loader])
        assert len(train_loader) == 15
        assert len(train_loader.dataset) == 961
        assert sum(len(y) for _, y in val_loader) == 100
        return model

    module = ModuleType("own")
    module.train_clf = train_clf  # type: ignore[attr-defined]
    for limited in (False, True):
        settings = fit_settings(tmp_path, module=module, shuffle=shuffle)
        train = MemoryEvents(sorted_sample(961), limited=limited, shuffle=shuffle)
        validation = MemoryEvents(make_sample(100), limited=limited, shuffle=False)
        TorchBackend().fit(torch.nn.Sequential(torch.nn.Linear(4, 1)), train, validation, settings)
    one, two = seen
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    assert [len(batch) for batch in one] == ([64] * 14 + [65]) * 2
    if shuffle:
        assert not (one[0] == one[15]).all()  # the second epoch has an order of its own


def test_a_keras_fit_of_its_own_gets_the_classes_mixed(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    seen: list[Any] = []

    class Own(keras.Model):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.last = keras.layers.Dense(1, activation="sigmoid")

        def call(self, x: Any) -> Any:
            return self.last(x)

        def fit(self, x: Any, y: Any, epochs: int = 1) -> None:  # noqa: ARG002
            seen.append((x.copy(), y.copy()))

    train = MemoryEvents(sorted_sample(1000))
    KerasBackend().fit(Own(), train, MemoryEvents(make_sample(100)), fit_settings(tmp_path))
    x, y = seen[0]
    expected = list(train.chunks(0))
    assert (x == np.concatenate([chunk.x for chunk in expected])).all()
    assert (y[:, 0] == np.concatenate([chunk.y for chunk in expected])).all()
    assert 0.3 < y[:200].mean() < 0.7


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum"])
def test_val_loss_of_each_reduction(reduction: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", keras.losses.BinaryCrossentropy(reduction=reduction))
    train, validation = (
        MemoryEvents(make_sample(500, weights=True)),
        MemoryEvents(make_sample(300, weights=True, seed=2)),
    )
    _, history = KerasBackend().fit(model, train, validation, fit_settings(tmp_path, epochs=1))
    data = validation.data
    p = np.clip(np.asarray(model.predict_on_batch(data.x), np.float64)[:, 0], 1e-7, 1 - 1e-7)
    weighted = data.weight * np.where(data.y == 1, -np.log(p), -np.log(1 - p))
    own = weighted.sum() if reduction == "sum" else weighted.sum() / data.weight.sum()
    assert history.curves["val_loss"][-1] == pytest.approx(own, rel=1e-4)
    if reduction in ("mean_with_sample_weight", "sum"):
        direct = model.evaluate(data.x, data.y[:, None], 300, 0, data.weight)
        assert history.curves["val_loss"][-1] == pytest.approx(direct, rel=1e-4)
