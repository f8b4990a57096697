"""Models called directly with their frameworks, as a user would without this package."""

from __future__ import annotations

import importlib.util
import inspect
import os
from pathlib import Path
from typing import Any

import numpy as np
from direct import TEST, TRAIN, Features
from numpy.typing import NDArray

__all__ = ["fit_and_score", "framework_of", "load", "takes_missing"]


def load(path: Path, width: int) -> Any:
    """The untrained model of a user's file."""
    spec = importlib.util.spec_from_file_location(f"direct_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.model(width) if inspect.signature(module.model).parameters else module.model()


def framework_of(name: str) -> str:
    """The framework a model file of ``tests/models`` is for."""
    return {"keras_mlp": "keras", "torch_mlp": "torch", "xgb": "xgboost"}.get(name, "sklearn")


def takes_missing(name: str) -> bool:
    """True if the model is given NaN for missing values."""
    return name == "xgb"


def fit_and_score(
    path: Path, features: Features, *, weighted: bool, epochs: int, batch_size: int, seed: int
) -> NDArray[np.float64]:
    """Train on the training events and score the test events.

    Returns:
        Probability of the signal, float64 [test events].
    """
    kind = framework_of(path.stem)
    test = features.x[features.part == TEST]
    order = features.mixed(batch_size) if kind in ("keras", "torch") else np.flatnonzero(features.part == TRAIN)
    x, y = features.x[order], features.y[order]
    weight = features.training_weight[order].astype(np.float32) if weighted else None
    if kind == "keras":
        return _keras(path, x, y, weight, test, epochs=epochs, batch_size=batch_size, seed=seed)
    if kind == "torch":
        return _torch(path, x, y, weight, test, epochs=epochs, batch_size=batch_size, seed=seed)
    np.random.seed(seed)  # noqa: NPY002 - what scikit-learn draws from
    model = load(path, x.shape[1])
    if model.get_params().get("random_state", seed) is None:
        model.set_params(random_state=seed)
    extra = {}
    if weight is not None and "sample_weight" in inspect.signature(model.fit).parameters:
        extra["sample_weight"] = weight
    model.fit(x, y, **extra)
    return np.asarray(model.predict_proba(test)[:, 1], dtype=np.float64)


def _keras(
    path: Path, x: Any, y: Any, weight: Any, test: Any, *, epochs: int, batch_size: int, seed: int
) -> NDArray[np.float64]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(seed)
    model = load(path, x.shape[1])
    model.fit(x, y, sample_weight=weight, epochs=epochs, batch_size=batch_size, shuffle=False, verbose=0)
    return np.asarray(model.predict(test, batch_size=4096, verbose=0)[:, 0], dtype=np.float64)


def _torch(
    path: Path, x: Any, y: Any, weight: Any, test: Any, *, epochs: int, batch_size: int, seed: int
) -> NDArray[np.float64]:
    import torch

    torch.manual_seed(seed)
    model = load(path, x.shape[1])
    weights = torch.from_numpy(weight) if weight is not None else torch.ones(len(y))
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y.astype(np.float32))
    loss = torch.nn.BCELoss(reduction="none")
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for batch in np.split(np.arange(len(y)), range(batch_size, len(y), batch_size)):
            optimiser.zero_grad()
            (loss(model(inputs[batch])[:, 0], targets[batch]) * weights[batch]).mean().backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        return np.asarray(model(torch.from_numpy(test))[:, 0].numpy(), dtype=np.float64)
