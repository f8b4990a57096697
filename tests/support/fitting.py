"""Shorthands for tests of backends: settings, model files, ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mlaas4hep.training.backends.base import FitSettings
from tests.support.events import MemoryEvents, make_sample

if TYPE_CHECKING:
    import onnx

__all__ = ["MODELS", "Interrupted", "auc", "fit_settings", "interrupted_after", "run_onnx", "train_and_validation"]

MODELS = Path(__file__).resolve().parents[1] / "models"


class Interrupted(BaseException):
    """What a killed training looks like from within."""


def fit_settings(folder: Path, **changes: Any) -> FitSettings:
    """Settings for a binary task on one thread; checkpoints in the folder, warnings are dropped."""
    ignored: list[str] = []
    settings = FitSettings(
        task="binary",
        classes=2,
        epochs=None,
        batch_size=64,
        shuffle=True,
        order="standard",
        early_stopping=None,
        seed=3,
        threads=1,
        verbose=0,
        checkpoint=folder / "checkpoint",
        resume=False,
        progress=lambda _epoch, _done, _figures: None,
        warn=ignored.append,
    )
    return replace(settings, **changes)


def train_and_validation(
    task: str = "binary", *, limited: bool = False, **options: Any
) -> tuple[MemoryEvents, MemoryEvents]:
    """1200 training and 400 validation events."""
    train = MemoryEvents(make_sample(1200, task=task, seed=1, **options), limited=limited)
    return train, MemoryEvents(make_sample(400, task=task, seed=2, **options), shuffle=False, limited=limited)


@contextmanager
def interrupted_after(epoch: int) -> Iterator[dict[str, Any]]:
    """Settings that raise in the progress call of an epoch (after its checkpoint is due); swallows what they raise."""

    def progress(number: int, _done: int, _figures: dict[str, float]) -> None:
        if number > epoch:
            raise Interrupted

    try:
        yield {"progress": progress}
    except Interrupted:
        return
    raise AssertionError


def run_onnx(model: onnx.ModelProto, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The output ``scores`` for the input ``x``."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_inputs()] == ["x"]
    assert [item.name for item in session.get_outputs()] == ["scores"]
    return np.asarray(session.run(None, {"x": x})[0])


def auc(scores: NDArray[np.float32], y: NDArray[Any]) -> float:
    """Area under the ROC curve, by counting pairs."""
    signal, background = scores[y == 1, 0], scores[y == 0, 0]
    return float((signal[:, None] > background).mean() + 0.5 * (signal[:, None] == background).mean())
