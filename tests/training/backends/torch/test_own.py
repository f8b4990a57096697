"""Training loops that users bring along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.torch.backend import TorchBackend
from mlaas4hep.training.user_code.user_model import build_model, load_model_file
from tests.support.events import make_sample
from tests.support.fitting import MODELS, auc, fit_settings, run_onnx, train_and_validation

torch = pytest.importorskip("torch")

BACKEND = TorchBackend()
FILES = ["torch_train_clf", "torch_torch_train", "torch_method"]


def trained(path: Path, folder: Path, limited: bool = False, **changes: Any) -> tuple[Any, Any]:
    module = load_model_file(path)
    BACKEND.seed(3, 1)
    model = build_model(module, 4)
    task = changes.get("task", "binary")
    data = train_and_validation(task, limited=limited, weights=changes.pop("weights", False))
    return BACKEND.fit(model, *data, fit_settings(folder, module=module, **changes))


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_example_file(name: str, limited: bool, tmp_path: Path) -> None:
    models = [trained(MODELS / f"{name}.py", tmp_path, limited) for _ in range(2)]
    (model, history), (again, _) = models
    states = (m.state_dict().values() for m in (model, again))
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))
    assert "model" not in model.__dict__
    assert set(history.curves) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    test = make_sample(2000, seed=9)
    scores = BACKEND.predict(model, test.x, "binary")
    assert auc(scores, test.y) > 0.9
    assert np.abs(run_onnx(BACKEND.to_onnx(model, 4, "binary"), test.x) - scores).max() < 1e-5


def user_file(folder: Path, body: str, outputs: int = 1) -> Path:
    path = folder / "model.py"
    path.write_text(
        f"import torch\ndef model(idim):\n    return torch.nn.Linear(idim, {outputs})\n"
        f"def train_clf(model, train_loader, val_loader):\n{body}\n"
    )
    return path


@pytest.mark.parametrize("limited", [False, True])
def test_what_the_loaders_give(limited: bool, tmp_path: Path) -> None:
    body = (
        "    batches = list(train_loader)\n"
        "    assert len(batches) == len(train_loader) == 19\n"
        "    assert all(x.dtype == y.dtype == torch.float32 for x, y in batches)\n"
        "    assert [tuple(y.shape) for x, y in batches] == [(64, 1)] * 18 + [(48, 1)]\n"
        "    assert len(torch.cat([x for x, y in batches]).unique(dim=0)) == 1200\n"
        "    assert not torch.equal(batches[0][0], next(iter(train_loader))[0])\n"
        "    assert torch.equal(next(iter(val_loader))[0], next(iter(val_loader))[0])\n"
    )
    trained(user_file(tmp_path, body), tmp_path, limited)


def test_multiclass_labels_are_class_indices(tmp_path: Path) -> None:
    body = (
        "    for x, y in train_loader:\n        torch.nn.functional.cross_entropy(model(x), y).backward()\n"
        "    assert y.dtype == torch.int64 and y.dim() == 1\n"
    )
    trained(user_file(tmp_path, body, 3), tmp_path, task="multiclass", classes=3)


def test_a_returned_module_is_the_result(tmp_path: Path) -> None:
    body = "    other = torch.nn.Linear(4, 1)\n    torch.nn.init.zeros_(other.weight)\n    return other\n"
    model, _ = trained(user_file(tmp_path, body), tmp_path)
    assert (model.weight == 0).all()


def test_errors_name_the_line(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"model.py, line 5: train_clf failed: RuntimeError: no way"):
        trained(user_file(tmp_path, "    raise RuntimeError('no way')"), tmp_path)


def test_settings_without_effect_are_announced(tmp_path: Path) -> None:
    warnings: list[str] = []
    trained(user_file(tmp_path, "    pass"), tmp_path, weights=True, epochs=3, warn=warnings.append)
    assert warnings == [
        "train_clf in the model file gets no weights: all events count the same in training",
        "train_clf in the model file decides epochs, order and when to stop",
        (
            "outputs of the module that train_clf trained lie outside 0 to 1: they are read as logits, "
            "and sigmoid turns them into scores"
        ),
    ]


@pytest.mark.parametrize(
    ("last", "task", "outputs", "told"),
    [("Identity", "binary", 1, "sigmoid"), ("Identity", "multiclass", 3, "softmax"), ("Sigmoid", "binary", 1, "")],
)
def test_reading_outputs_of_an_own_loop_as_logits_is_said_once(
    last: str, task: Any, outputs: int, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.py"
    path.write_text(
        f"import torch\ndef model(idim):\n"
        f"    return torch.nn.Sequential(torch.nn.Linear(idim, {outputs}), torch.nn.{last}())\n"
        "def train_clf(model, train_loader, val_loader):\n    pass\n"
    )
    warnings: list[str] = []
    trained(path, tmp_path, warn=warnings.append, task=task, classes=max(outputs, 2))
    assert len(warnings) == bool(told)
    assert all("read as logits" in text and told in text for text in warnings)
