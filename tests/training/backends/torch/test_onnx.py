"""How torch modules become ONNX: by a trace where that is sure, else by torch.export."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlaas4hep.training.backends.torch.backend import TorchBackend
from tests.support.events import make_sample
from tests.support.fitting import run_onnx

torch = pytest.importorskip("torch")
nn = torch.nn

BACKEND = TorchBackend()


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Modules that torch.export was asked to look at."""
    from mlaas4hep.training.backends.torch import onnx as _torch_onnx

    seen: list[object] = []
    made = _torch_onnx._program

    def program(scores: Any, width: int) -> Any:
        seen.append(scores.model)
        return made(scores, width)

    monkeypatch.setattr(_torch_onnx, "_program", program)
    return seen


class Module(nn.Module):  # type: ignore[name-defined]
    """A layer with something before it."""

    def __init__(self, before: Callable[[Any], Any]) -> None:
        super().__init__()
        self.before = before
        self.layer = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())

    def forward(self, x: Any) -> Any:
        return self.layer(self.before(x))


def same(model: Any) -> bool:
    x = make_sample(100, seed=9).x
    scores = BACKEND.predict(model, x, "binary")
    found = run_onnx(BACKEND.to_onnx(model, 4, "binary"), x)
    return found.shape == scores.shape and bool(np.abs(found - scores).max() < 1e-5)


@pytest.mark.parametrize(
    "before",
    [
        lambda x: x,
        lambda x: x.reshape(x.shape[0], 2, 2).transpose(1, 2).flatten(1),
        lambda x: torch.where(x > 0, x, -x) - torch.zeros(x.shape[0], 4),
    ],
)
def test_a_module_that_a_trace_follows_is_traced(before: Callable[[Any], Any], programs: list[object]) -> None:
    assert same(Module(before))
    assert not programs


@pytest.mark.parametrize("before", [lambda x: x / float(x.shape[1]), lambda x: torch.as_tensor(x) * 2])
def test_where_torch_warns_of_the_trace_the_module_is_exported(
    before: Callable[[Any], Any], programs: list[object]
) -> None:
    model = Module(before)
    assert same(model)
    assert programs == [model]


def test_what_a_trace_cannot_convert_is_exported_and_nothing_printed(
    programs: list[object], capfd: pytest.CaptureFixture[str]
) -> None:
    attention = nn.TransformerEncoderLayer(2, 2, 4, batch_first=True)
    model = Module(lambda x: x.reshape(-1, 2, 2))
    model.layer = nn.Sequential(attention, nn.Flatten(), model.layer)
    assert same(model)
    assert programs == [model]
    ctypes.CDLL(None).fflush(None)  # what was printed from C++ would come now
    assert capfd.readouterr() == ("", "")


def test_a_trace_that_holds_for_one_number_of_rows_is_noticed(programs: list[object]) -> None:
    model = Module(lambda x: torch.cat([row * 2 for row in x.split(1)]))
    BACKEND.to_onnx(model, 4, "binary")
    assert programs == [model]
