"""Targets that a network cannot learn as they are: learnt in another unit, predicted in their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.frameworks.native import NativeModel
from mlaas4hep.frameworks.scorer import Loading
from mlaas4hep.frameworks.target import TargetScale
from mlaas4hep.training.backends import backend_for
from mlaas4hep.training.events.target import Standardised, target_scale
from mlaas4hep.training.fitting.native import save_native
from mlaas4hep.training.user_code.user_model import load_model_file
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings, run_onnx

pytest.importorskip("keras")
pytest.importorskip("torch")

KERAS = """import keras
def model(idim):
    m = keras.Sequential([keras.layers.Dense(16, activation='relu'), keras.layers.Dense(1{last})])
    m.compile(keras.optimizers.Adam(0.01), '{loss}')
    return m
"""
TORCH = """import torch
from torch import nn
optimizer = lambda parameters: torch.optim.Adam(parameters, 0.01)
def model(idim):
    return nn.Sequential(nn.Linear(idim, 16), nn.ReLU(), nn.Linear(16, 1){last})
"""


def events(offset: float, scale: float, size: int, seed: int) -> MemoryEvents:
    sample = make_sample(size, task="regression", seed=seed)
    return MemoryEvents(replace(sample, y=(sample.y.astype(np.float64) * scale + offset).astype(np.float32)))


@pytest.mark.parametrize("text", [KERAS.format(last="", loss="mse"), TORCH.format(last="")], ids=["keras", "torch"])
@pytest.mark.parametrize(("offset", "scale"), [(1e6, 1.0), (-3e-3, 1e-6), (2e4, 1e3), (0.0, 1.0)])
def test_a_network_learns_a_target_of_any_size(text: str, offset: float, scale: float, tmp_path: Path) -> None:
    source = tmp_path / "model.py"
    source.write_text(text)
    module = load_model_file(source)
    model = module.model(4)
    backend = backend_for(model)
    train, validation, test = (events(offset, scale, size, seed) for size, seed in ((2000, 1), (300, 2), (1000, 3)))
    warnings: list[str] = []
    settings = fit_settings(tmp_path, task="regression", classes=0, epochs=12, module=module, warn=warnings.append)
    target = target_scale(train, lambda: backend.takes_any_target(model, 4, settings), settings.warn)
    assert (target is None) == ((offset, scale) == (0.0, 1.0))
    assert len(warnings) == (target is not None)
    seen: list[Any] = [part if target is None else Standardised(part, target) for part in (train, validation)]
    model, _ = backend.fit(model, seen[0], seen[1], settings)
    raw = backend.predict(model, test.data.x, "regression")
    scores = raw if target is None else target.back(raw)
    y = test.data.y.astype(np.float64)
    assert ((scores[:, 0] - y) ** 2).mean() < 0.1 * y.var()
    folder = tmp_path / "native"
    folder.mkdir()
    save_native(backend, model, folder, source, "regression", target)
    loaded = NativeModel(folder, Loading("regression", 4, trust_code=True), backend.name)
    core = backend.to_onnx(model, 4, "regression")
    converted = run_onnx(core if target is None else target.in_graph(core), test.data.x)
    allowed = 1e-4 * y.std() + np.spacing(np.float32(abs(offset)))
    assert np.abs(loaded.scores(test.data.x) - scores).max() <= allowed
    assert np.abs(converted - scores).max() <= allowed


@pytest.mark.parametrize(
    "text",
    [
        KERAS.format(last=", activation='softplus'", loss="mse"),
        KERAS.format(last="", loss="mean_squared_logarithmic_error"),
        TORCH.format(last=", nn.Softplus()"),
        TORCH.format(last="") + "def loss(z, y):\n    return (z / y - 1) ** 2\n",
        TORCH.format(last="") + "def train_clf(model, train_loader, val_loader):\n    return model\n",
    ],
)
def test_no_other_unit_where_last_layer_or_loss_do_not_allow_it(text: str, tmp_path: Path) -> None:
    source = tmp_path / "model.py"
    source.write_text(text)
    module = load_model_file(source)
    model = module.model(4)
    warnings: list[str] = []
    settings = fit_settings(tmp_path, task="regression", classes=0, module=module, warn=warnings.append)
    train = events(1e6, 1.0, 500, 1)
    assert target_scale(train, lambda: backend_for(model).takes_any_target(model, 4, settings), settings.warn) is None
    assert len(warnings) == 1
    assert "learns poorly" in warnings[0]


def test_mean_and_spread_are_those_of_all_chunks() -> None:
    train = events(1e6, 30.0, 1777, 5)
    train.chunk_size = 50
    found = target_scale(train, lambda: True, lambda _: None)
    assert isinstance(found, TargetScale)
    y = train.data.y.astype(np.float64)
    assert found.offset == pytest.approx(y.mean(), rel=1e-12)
    assert found.scale == pytest.approx(y.std(), rel=1e-9)


def test_trees_get_the_target_as_it_is_without_a_word(tmp_path: Path) -> None:
    sklearn, xgboost = pytest.importorskip("sklearn.ensemble"), pytest.importorskip("xgboost")
    warnings: list[str] = []
    settings = fit_settings(tmp_path, task="regression", classes=0, warn=warnings.append)
    for model in (sklearn.RandomForestRegressor(), xgboost.XGBRegressor()):
        backend = backend_for(model)
        train = events(1e6, 30.0, 100, 5)
        assert target_scale(train, lambda: backend.takes_any_target(model, 4, settings), settings.warn) is None  # noqa: B023
    assert warnings == []
