from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.torch.backend import TorchBackend
from mlaas4hep.training.user_code.user_model import build_model, load_model_file
from tests.support.events import make_sample
from tests.support.fitting import MODELS, auc, fit_settings, interrupted_after, run_onnx, train_and_validation

torch = pytest.importorskip("torch")
nn = torch.nn

BACKEND = TorchBackend()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    BACKEND.seed(3, 1)


def net(outputs: int = 1, *last: Any, hidden: Any = None) -> Any:
    return nn.Sequential(nn.Linear(4, 8), hidden or nn.ReLU(), nn.Linear(8, outputs), *last)


class Flat(nn.Module):  # type: ignore[name-defined]
    """Gives [N]."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net(1, nn.Sigmoid())

    def forward(self, x: Any) -> Any:
        return self.inner(x)[:, 0]


def by_hand(model: Any, train: Any, epochs: int, loss: Callable[[Any, Any, Any], Any], optimizer: Any = None) -> Any:
    """The plain loop of every tutorial."""
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=1e-3)
    torch.manual_seed(3)
    for epoch in range(epochs):
        for batch in train.batches(64, epoch):
            x, y, w = (torch.from_numpy(a.copy()) for a in (batch.x, batch.y, batch.weight))
            optimizer.zero_grad()
            loss(model(x), y, w).backward()
            optimizer.step()
    return model


def bce(output: Any, y: Any, w: Any) -> Any:
    return nn.BCELoss(weight=w)(output.reshape(-1), y.float())


def bce_logits(output: Any, y: Any, w: Any) -> Any:
    return nn.BCEWithLogitsLoss(weight=w)(output.reshape(-1), y.float())


def cross_entropy(output: Any, y: Any, w: Any) -> Any:
    return (nn.CrossEntropyLoss(reduction="none")(output, y) * w).mean()


def nll(output: Any, y: Any, w: Any) -> Any:
    return -(output[torch.arange(len(y)), y].log() * w).mean()


def squares(output: Any, y: Any, w: Any) -> Any:
    return ((output[:, 0] - y) ** 2 * w).mean()


CASES: dict[str, tuple[Any, int, Any, Any, Any]] = {
    "sigmoid": ("binary", 2, lambda: net(1, nn.Sigmoid()), bce, lambda o: o),
    "flat": ("binary", 2, Flat, bce, lambda o: o.reshape(-1, 1)),
    "logit": ("binary", 2, lambda: net(1), bce_logits, torch.sigmoid),
    "small logits": ("binary", 2, lambda: net(1, hidden=nn.Tanh()), bce_logits, torch.sigmoid),
    "two logits": ("binary", 2, lambda: net(2), cross_entropy, lambda o: torch.softmax(o, 1)[:, 1:]),
    "softmax": ("binary", 2, lambda: net(2, nn.Softmax(dim=1)), nll, lambda o: o[:, 1:]),
    "three logits": ("multiclass", 3, lambda: net(3), cross_entropy, lambda o: torch.softmax(o, 1)),
    "softmax of three": ("multiclass", 3, lambda: net(3, nn.Softmax(dim=1)), nll, lambda o: o),
    "regression": ("regression", 0, lambda: net(1), squares, lambda o: o),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", [False, True])
def test_as_by_hand(case: str, weights: bool, tmp_path: Path) -> None:
    task, classes, make, loss, scores_of = CASES[case]
    model = make()
    other: Any = copy.deepcopy(model)
    data = train_and_validation(task, weights=weights)
    settings = fit_settings(tmp_path, task=task, classes=classes, epochs=3)
    trained, history = BACKEND.fit(model, *data, settings)
    by_hand(other, data[0], 3, loss)
    x = make_sample(500, task=task, seed=9).x
    scores = BACKEND.predict(trained, x, task)
    expected = scores_of(other(torch.from_numpy(x))).detach().numpy()
    assert scores.shape == (500, 3 if task == "multiclass" else 1)
    assert np.allclose(scores, expected, atol=1e-6)
    assert history.curves["loss"] == sorted(history.curves["loss"], reverse=True)
    valid = data[1].data
    v = [torch.from_numpy(a) for a in (valid.x, valid.y, valid.weight)]
    by_hand_loss = loss(other(v[0]), v[1], v[2]).item() * len(valid) / valid.weight.sum()
    assert history.curves["val_loss"][-1] == pytest.approx(by_hand_loss, rel=1e-5)


@pytest.mark.parametrize("case", [name for name in CASES if name not in ("small logits", "softmax")])
def test_onnx(case: str) -> None:
    task, _, make, _, _ = CASES[case]
    model = make()
    x = make_sample(500, task=task, seed=9).x
    onnx_scores = run_onnx(BACKEND.to_onnx(model, 4, task), x)
    scores = BACKEND.predict(model, x, task)
    assert onnx_scores.shape == scores.shape
    assert np.abs(onnx_scores - scores).max() < 1e-5


def test_onnx_of_what_cannot_be_exported_by_torch_export() -> None:
    class Branching(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = net(1, nn.Dropout(0.5), nn.Sigmoid())

        def forward(self, x: Any) -> Any:
            if float(x.detach().sum()) > 1e30:
                x = x * 0
            return self.inner(x)

        def train(self, mode: bool = True) -> Any:  # noqa: ARG002
            super().train(True)

    x = make_sample(100, seed=9).x
    model = Branching()
    assert np.abs(run_onnx(BACKEND.to_onnx(model, 4, "binary"), x) - BACKEND.predict(model, x, "binary")).max() < 1e-5


def test_example_file(tmp_path: Path) -> None:
    module = load_model_file(MODELS / "torch_mlp.py")
    model, _ = BACKEND.fit(build_model(module, 4), *train_and_validation(), fit_settings(tmp_path, epochs=10))
    test = make_sample(2000, seed=9)
    scores = BACKEND.predict(model, test.x, "binary")
    assert auc(scores, test.y) > 0.9
    assert np.abs(run_onnx(BACKEND.to_onnx(model, 4, "binary"), test.x) - scores).max() < 1e-5


def drop() -> Any:
    BACKEND.seed(3, 1)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1), nn.Sigmoid())


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize("order", ["standard", "chunk"])
def test_resuming_gives_the_same_model(patience: int | None, order: str, tmp_path: Path) -> None:
    settings = fit_settings(tmp_path, epochs=6 if order == "standard" else 2, order=order, early_stopping=patience)
    data = train_and_validation(weights=True)
    whole, history = BACKEND.fit(drop(), *data, replace(settings, checkpoint=tmp_path / "other"))
    with interrupted_after(0 if order == "chunk" else 2) as changes:
        BACKEND.fit(drop(), *data, replace(settings, **changes))
    torch.manual_seed(99)
    resumed, again = BACKEND.fit(drop(), *data, replace(settings, resume=True))
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )
    assert again == history


def test_a_checkpoint_of_another_module_is_refused(tmp_path: Path) -> None:
    data = train_and_validation()
    BACKEND.fit(net(1, nn.Sigmoid()), *data, fit_settings(tmp_path, epochs=1))
    with pytest.raises(ModelFileError, match="the checkpoint belongs to another model; train without resuming"):
        BACKEND.fit(drop(), *data, fit_settings(tmp_path, epochs=2, resume=True))


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path) -> None:
    data = train_and_validation(weights=True)
    settings = fit_settings(tmp_path, epochs=200, early_stopping=2)
    model = net(1, nn.Sigmoid())
    model.optimizer = lambda parameters: torch.optim.Adam(parameters, lr=0.05)
    model, history = BACKEND.fit(model, *data, settings)
    losses = history.curves["val_loss"]
    assert history.stopped_early
    assert int(np.argmin(losses)) == len(losses) - 3
    valid = data[1].data
    scores = BACKEND.predict(model, valid.x, "binary")[:, 0].astype(np.float64)
    loss = -np.average(np.where(valid.y == 1, np.log(scores), np.log(1 - scores)), weights=valid.weight)
    assert loss == pytest.approx(min(losses), rel=1e-5)


def test_events_are_streamed(tmp_path: Path) -> None:
    models = []
    for limited in (False, True):
        train, validation = train_and_validation(limited=limited)
        models.append(BACKEND.fit(drop(), train, validation, fit_settings(tmp_path, epochs=2))[0])
        assert not train.loads
    first, second = (model.state_dict().values() for model in models)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def user_file(tmp_path: Path, text: str) -> ModuleType:
    path = tmp_path / "model.py"
    path.write_text(f"import torch\nfrom torch import nn\n{text}\ndef model(idim):\n    return nn.Linear(idim, 1)\n")
    return load_model_file(path)


@pytest.mark.parametrize(
    "text",
    [
        "loss = nn.BCEWithLogitsLoss()",
        "loss = nn.BCEWithLogitsLoss",
        "def loss(output, target):\n    return nn.functional.softplus(output) - output * target",
        "def loss(output, target, weight):\n    return nn.BCEWithLogitsLoss(weight=weight)(output[:, 0], target[:, 0])",
    ],
)
def test_loss_and_optimizer_of_the_file(text: str, tmp_path: Path) -> None:
    module = user_file(tmp_path, f"{text}\ndef optimizer(parameters):\n    return torch.optim.SGD(parameters, lr=0.1)")
    model = build_model(module, 4)
    other = copy.deepcopy(model)
    data = train_and_validation(weights=True)
    BACKEND.fit(model, *data, fit_settings(tmp_path, epochs=2, module=module))
    by_hand(other, data[0], 2, bce_logits, torch.optim.SGD(other.parameters(), lr=0.1))  # type: ignore[attr-defined]
    x = make_sample(100, seed=9).x
    assert np.allclose(BACKEND.predict(model, x, "binary"), BACKEND.predict(other, x, "binary"), atol=1e-6)


def test_loss_and_optimizer_of_the_module(tmp_path: Path) -> None:
    model = Flat()
    other = copy.deepcopy(model)
    model.loss = nn.BCELoss()
    model.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = train_and_validation(weights=True)
    BACKEND.fit(model, *data, fit_settings(tmp_path, epochs=2))
    by_hand(other, data[0], 2, bce, torch.optim.SGD(other.parameters(), lr=0.1))
    x = make_sample(100, seed=9).x
    assert np.allclose(BACKEND.predict(model, x, "binary"), BACKEND.predict(other, x, "binary"), atol=1e-6)


def test_a_loss_that_takes_no_weights_is_announced(tmp_path: Path) -> None:
    module = user_file(tmp_path, "def loss(output, target):\n    return ((output - target) ** 2).mean()")
    warnings: list[str] = []
    settings = fit_settings(tmp_path, epochs=2, module=module, warn=warnings.append)
    BACKEND.fit(build_model(module, 4), *train_and_validation(weights=True), settings)
    assert warnings == ["the loss in the model file gives a mean: all events count the same in training"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def loss(output, target):\n    return output / nothing",
            "line 4: the torch module cannot be trained: NameError",
        ),
        ("def optimizer(parameters):\n    return 3", "optimizer gives a int; optimizer.parameters. must return"),
        ("def optimizer(parameters):\n    raise KeyError('x')", "line 4: loss or optimizer of the model file failed"),
    ],
)
def test_errors_of_the_users_code_name_the_line(text: str, message: str, tmp_path: Path) -> None:
    module = user_file(tmp_path, text)
    with pytest.raises(ModelFileError, match=message):
        BACKEND.fit(build_model(module, 4), *train_and_validation(), fit_settings(tmp_path, epochs=1, module=module))


@pytest.mark.parametrize(
    ("model", "task", "classes", "message"),
    [
        (net(3), "binary", 2, "the torch module has 3 outputs, a binary task needs 1 or 2; change its last layer"),
        (net(1), "multiclass", 3, "the torch module has 1 outputs, 3 classes needs 3"),
        (net(2), "regression", 0, "the torch module has 2 outputs, a regression task needs 1"),
        (net(3, nn.Sigmoid()), "multiclass", 3, "lie in .0, 1. but do not sum to 1; end it with softmax"),
        (nn.Linear(7, 1), "binary", 2, "the torch module cannot be called: RuntimeError"),
        (nn.LSTM(4, 2), "binary", 2, "the torch module gives tuple for 256 events"),
    ],
)
def test_outputs_that_do_not_fit(model: Any, task: Any, classes: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=message):
        BACKEND.fit(model, *train_and_validation(task), fit_settings(tmp_path, task=task, classes=classes))


def test_saved_models_are_the_same_bytes_and_load_without_pickle(tmp_path: Path) -> None:
    contents = []
    source = MODELS / "torch_mlp.py"
    for number in (1, 2):
        model, _ = BACKEND.fit(drop(), *train_and_validation(), fit_settings(tmp_path, epochs=1))
        folder = tmp_path / str(number)
        folder.mkdir()
        BACKEND.save(model, folder, source)
        contents.append((folder / "model.pt").read_bytes())
    assert contents[0] == contents[1]
    assert (tmp_path / "1" / "model.py").read_text() == source.read_text()
    fresh = drop()
    fresh.load_state_dict(torch.load(tmp_path / "1" / "model.pt", weights_only=True))
    x = make_sample(100, seed=9).x
    assert (BACKEND.predict(fresh, x, "binary") == BACKEND.predict(model, x, "binary")).all()


def test_no_rows_give_no_scores() -> None:
    assert BACKEND.predict(net(1), np.zeros((0, 4), np.float32), "binary").shape == (0, 1)
    assert BACKEND.predict(net(3), np.zeros((0, 4), np.float32), "multiclass").shape == (0, 3)


def test_progress(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    settings = fit_settings(tmp_path, epochs=2, progress=lambda epoch, done, _: calls.append((epoch, done)))
    BACKEND.fit(net(1), *train_and_validation(), settings)
    assert calls == [(epoch, min(64 * step, 1200)) for epoch in (0, 1) for step in range(1, 20)]


def test_a_network_takes_no_missing_values() -> None:
    assert not BACKEND.takes_missing(net(1))


def test_onnx_holds_no_paths() -> None:
    content = BACKEND.to_onnx(net(1, nn.Sigmoid()), 4, "binary").SerializeToString()
    assert str(Path(__file__).parents[4]).encode() not in content
    assert b"site-packages" not in content


def test_small_networks_train_on_one_thread_unless_told(tmp_path: Path) -> None:
    seen: list[int] = []

    def progress(_epoch: int, _done: int, _figures: dict[str, float]) -> None:
        seen.append(torch.get_num_threads())

    torch.set_num_threads(2)
    try:
        for threads in (None, 2):
            settings = fit_settings(tmp_path, epochs=1, threads=threads, progress=progress)
            BACKEND.fit(net(1, nn.Sigmoid()), *train_and_validation(), settings)
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert seen == [1] * 19 + [2] * 19
