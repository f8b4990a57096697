"""Models of all backends with all kinds of output, trained and saved as a bundle does it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.native import NativeModel
from mlaas4hep.frameworks.scorer import Loading
from mlaas4hep.training.backends import backend_for
from mlaas4hep.training.events.outputs import OutputKind, find_output
from mlaas4hep.training.fitting.native import save_native
from tests.support.events import make_sample
from tests.support.fitting import fit_settings, run_onnx, train_and_validation

__all__ = ["CASES", "HEAD", "Case", "Published", "published"]

HEAD = ("backend", "model", "task", "published as", "threshold", "range on test events")


@dataclass(frozen=True)
class Case:
    """One model.

    Attributes:
        backend: name of the framework.
        name: in words, as in the table.
        body: lines of ``model(idim)`` in a model file.
        before: lines before it.
        kind: what is published.
        threshold: score between signal and background.
        meaning: from the native outputs (as called directly) to the scores.
        task: binary, multiclass or regression.
    """

    backend: str
    name: str
    body: str
    kind: str
    threshold: float = 0.5
    task: str = "binary"
    before: str = ""


SIGMOID, SOFTMAX = "probability", "probability"
_SEQUENTIAL = """    m = keras.Sequential([keras.layers.Dense(8, activation='relu'), keras.layers.Dense({last})])
    m.compile(keras.optimizers.Adam(0.02), {loss})
    return m"""
_OWN = """
def mine(y, z):
    y = keras.ops.cast(y, 'float32')
    return keras.ops.softplus(z) - y * z
"""
_TORCH = "    return nn.Sequential(nn.Linear(idim, 8), nn.ReLU(), {last})"
_ADAM = "optimizer = lambda parameters: torch.optim.Adam(parameters, 0.02)\n"


def _keras(name: str, last: str, loss: str, kind: str, threshold: float = 0.5, task: str = "binary") -> Case:
    before = "import keras\n" + (_OWN if "mine" in loss else "")
    return Case("keras", name, _SEQUENTIAL.format(last=last, loss=loss), kind, threshold, task, before)


def _torch(name: str, last: str, loss: str, kind: str, threshold: float = 0.5, task: str = "binary") -> Case:
    before = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n" + _ADAM
    return Case("torch", name, _TORCH.format(last=last), kind, threshold, task, before + loss)


def _plain(
    backend: str, imports: str, made: str, kind: str, threshold: float = 0.5, task: str = "binary", name: str = ""
) -> Case:
    return Case(backend, name or made, f"    return {made}", kind, threshold, task, imports + "\n")


_HINGE = "def loss(z, y):\n    return F.relu(1 - (2 * y - 1) * z)\n"
_LOGITS = "def loss(z, y):\n    return F.softplus(z) - y * z\n"
_XGB = "import xgboost"

CASES = [
    _keras("sigmoid, binary_crossentropy", "1, activation='sigmoid'", "'binary_crossentropy'", "probability"),
    _keras("logit, from_logits=True", "1", "keras.losses.BinaryCrossentropy(from_logits=True)", "probability"),
    _keras("logit, a loss of one's own", "1", "mine", "probability"),
    _keras("two columns, softmax", "2, activation='softmax'", "'sparse_categorical_crossentropy'", "probability"),
    _keras(
        "two logits, from_logits=True",
        "2",
        "keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
        "probability",
    ),
    _keras("linear, hinge", "1", "'hinge'", "decision", 0.0),
    _keras("linear, mean squared error", "1", "'mse'", "decision", 0.5),
    _keras("linear, binary_crossentropy without from_logits", "1", "'binary_crossentropy'", "decision", 0.5),
    _keras(
        "three columns, softmax",
        "3, activation='softmax'",
        "'categorical_crossentropy'",
        "probability",
        0.5,
        "multiclass",
    ),
    _keras("three sigmoids", "3, activation='sigmoid'", "'binary_crossentropy'", "decision", 0.5, "multiclass"),
    _keras("linear, mean squared error", "1", "'mse'", "value", 0.5, "regression"),
    _torch("sigmoid", "nn.Linear(8, 1), nn.Sigmoid()", "", "probability"),
    _torch("logit", "nn.Linear(8, 1)", "", "probability"),
    _torch("logit, BCEWithLogitsLoss", "nn.Linear(8, 1)", "loss = nn.BCEWithLogitsLoss()\n", "probability"),
    _torch("logit, a loss of one's own", "nn.Linear(8, 1)", _LOGITS, "probability"),
    _torch("two columns, softmax", "nn.Linear(8, 2), nn.Softmax(dim=1)", "", "probability"),
    _torch("two logits", "nn.Linear(8, 2)", "", "probability"),
    _torch("two sigmoids", "nn.Linear(8, 2), nn.Sigmoid()", "", "probability"),
    _torch("two sigmoids, BCELoss", "nn.Linear(8, 2), nn.Sigmoid()", "loss = nn.BCELoss()\n", "probability"),
    _torch("log softmax, NLLLoss", "nn.Linear(8, 2), nn.LogSoftmax(dim=1)", "loss = nn.NLLLoss()\n", "probability"),
    _torch("linear, hinge", "nn.Linear(8, 1)", _HINGE, "decision", 0.0),
    _torch("linear, MSELoss", "nn.Linear(8, 1)", "loss = nn.MSELoss()\n", "decision", 0.5),
    _torch("three logits", "nn.Linear(8, 3)", "", "probability", 0.5, "multiclass"),
    _torch("linear", "nn.Linear(8, 1)", "", "value", 0.5, "regression"),
    _plain("sklearn", "from sklearn.linear_model import LogisticRegression", "LogisticRegression()", "probability"),
    _plain("sklearn", "from sklearn.svm import LinearSVC", "LinearSVC()", "decision", 0.0),
    _plain("sklearn", "from sklearn.svm import SVC", "SVC()", "decision", 0.0),
    _plain("sklearn", "from sklearn.linear_model import RidgeClassifier", "RidgeClassifier()", "decision", 0.0),
    _plain("sklearn", "from sklearn.linear_model import SGDClassifier", "SGDClassifier(loss='hinge')", "decision", 0.0),
    _plain(
        "sklearn", "from sklearn.linear_model import SGDClassifier", "SGDClassifier(loss='log_loss')", "probability"
    ),
    _plain("sklearn", "from sklearn.svm import LinearSVC", "LinearSVC()", "decision", 0.5, "multiclass"),
    _plain("sklearn", "from sklearn.linear_model import Ridge", "Ridge()", "value", 0.5, "regression"),
    _plain("xgboost", _XGB, "xgboost.XGBClassifier(n_estimators=10)", "probability"),
    _plain("xgboost", _XGB, "xgboost.XGBClassifier(n_estimators=10, objective='binary:logitraw')", "probability"),
    _plain("xgboost", _XGB, "xgboost.XGBClassifier(n_estimators=10, objective='binary:hinge')", "decision"),
    _plain("xgboost", _XGB, "xgboost.XGBClassifier(n_estimators=10, objective='reg:squarederror')", "decision"),
    _plain("xgboost", _XGB, "xgboost.XGBClassifier(n_estimators=10, objective='reg:logistic')", "probability"),
    _plain("xgboost", _XGB, "xgboost.XGBClassifier(n_estimators=10)", "probability", 0.5, "multiclass"),
    _plain("xgboost", _XGB, "xgboost.XGBRegressor(n_estimators=10)", "value", 0.5, "regression"),
]


@dataclass(frozen=True, eq=False)
class Published:
    """What comes of a model.

    Attributes:
        output: what its scores are.
        scores: of test events, by the backend.
        onnx: by the converted model.
        native: by the saved native model, loaded again.
        y: truth of the test events.
        model: trained.
        x: test events.
    """

    output: OutputKind
    scores: NDArray[np.float32]
    onnx: NDArray[np.float32]
    native: NDArray[np.float32]
    y: NDArray[Any]
    model: Any
    x: NDArray[np.float32]


def published(case: Case, folder: Path, warn: Callable[[str], None]) -> Published:
    """Train, convert, save and load."""
    source = folder / "model.py"
    source.write_text(f"{case.before}\n\ndef model(idim):\n{case.body}\n")
    spec = importlib.util.spec_from_file_location(f"kind_{folder.name}", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    task: Any = case.task
    classes = {"binary": 2, "multiclass": 3, "regression": 0}[task]
    settings = fit_settings(
        folder,
        task=task,
        classes=classes,
        warn=warn,
        module=module,
        epochs=6 if case.backend in ("keras", "torch") else None,
    )
    train, validation = train_and_validation(task)
    model = module.model(4)
    backend = backend_for(model)
    assert backend.name == case.backend
    model, _ = backend.fit(model, train, validation, settings)
    test = make_sample(2000, task=task, seed=9)
    scores = backend.predict(model, test.x, task)
    output = find_output(backend.output(model, task), lambda x: backend.predict(model, x, task), validation, task, warn)
    native = folder / "native"
    native.mkdir()
    save_native(backend, model, native, source, task, None)
    loaded = NativeModel(native, Loading(task, 4, trust_code=True), case.backend)
    onnx = run_onnx(backend.to_onnx(model, 4, task), test.x)
    return Published(output, scores, onnx, loaded.scores(test.x), test.y, model, test.x)
