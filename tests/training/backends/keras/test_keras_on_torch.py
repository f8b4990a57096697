"""Keras on PyTorch where TensorFlow is not installed; in a process of its own, since Keras chooses once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")
pytest.importorskip("onnxscript")

ROOT = Path(__file__).resolve().parents[4]

SCRIPT = """
import json, sys
from dataclasses import replace
from pathlib import Path
sys.modules["tensorflow"] = None
import numpy as np
from mlaas4hep.training.backends.keras.backend import KerasBackend
from mlaas4hep.training.user_code.user_model import build_model, load_model_file
from tests.support.events import make_sample
from tests.support.fitting import MODELS, auc, fit_settings, interrupted_after, run_onnx, train_and_validation

folder = Path(sys.argv[1])
backend = KerasBackend()
module = load_model_file(MODELS / "keras_mlp.py")
import keras

def dropped(idim):
    backend.seed(3, 1)
    return keras.Sequential([keras.Input((idim,)), keras.layers.Dense(8, activation="relu"),
                             keras.layers.Dropout(0.3), keras.layers.Dense(1)])

data = train_and_validation(weights=True)
test = make_sample(1000, seed=9)
backend.seed(3, 1)
model, history = backend.fit(build_model(module, 4), *data, fit_settings(folder / "a", epochs=8))
scores = backend.predict(model, test.x, "binary")
backend.save(model, folder, MODELS / "keras_mlp.py")
loaded = keras.saving.load_model(folder / "model.keras")
settings = fit_settings(folder / "b", epochs=4)
whole, _ = backend.fit(dropped(4), *data, replace(settings, checkpoint=folder / "c"))
with interrupted_after(1) as changes:
    backend.fit(dropped(4), *data, replace(settings, **changes))
resumed, _ = backend.fit(dropped(4), *data, replace(settings, resume=True))
print(json.dumps({
    "backend": keras.backend.backend(),
    "auc": auc(scores, test.y),
    "epochs": history.epochs,
    "curves": sorted(history.curves),
    "onnx": float(np.abs(run_onnx(backend.to_onnx(model, 4, "binary"), test.x) - scores).max()),
    "onnx_logits": float(np.abs(run_onnx(backend.to_onnx(whole, 4, "binary"), test.x)
                                - backend.predict(whole, test.x, "binary")).max()),
    "loaded": bool((backend.predict(loaded, test.x, "binary") == scores).all()),
    "resumed": bool((backend.predict(whole, test.x, "binary") == backend.predict(resumed, test.x, "binary")).all()),
}))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    folder = tmp_path_factory.mktemp("keras")
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_torch_is_chosen(outcome: dict[str, Any]) -> None:
    assert outcome["backend"] == "torch"


def test_it_trains(outcome: dict[str, Any]) -> None:
    assert outcome["auc"] > 0.9
    assert outcome["epochs"] == 8
    assert outcome["curves"] == ["accuracy", "loss", "val_accuracy", "val_loss"]


def test_onnx(outcome: dict[str, Any]) -> None:
    assert outcome["onnx"] < 1e-5
    assert outcome["onnx_logits"] < 1e-5


def test_saving(outcome: dict[str, Any]) -> None:
    assert outcome["loaded"]


def test_resuming_gives_the_same_model(outcome: dict[str, Any]) -> None:
    assert outcome["resumed"]
