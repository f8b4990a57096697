"""Training loops that users bring along: ``train_clf`` or ``torch_train``, of the module or of its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from mlaas4hep.training.backends.base import FitSettings, History
from mlaas4hep.training.backends.losses import evaluate
from mlaas4hep.training.backends.passes import joined, steps_of
from mlaas4hep.training.backends.torch.outputs import Scores, evaluating, output_kind, set_mode
from mlaas4hep.training.events.base import Events, Task
from mlaas4hep.training.user_code.user_model import user_errors

__all__ = ["own_loop", "own_training"]


def own_training(
    model: nn.Module, train: Events, validation: Events, settings: FitSettings
) -> tuple[nn.Module, History] | None:
    """Call the user's loop, if there is one, as ``loop(model=, train_loader=, val_loader=)``.

    The loaders give (x, y): x float32 [B, width]; y float32 [B, 1], for multiclass int64 [B]. What it returns is the
    trained module if it is one, else the module itself is.
    """
    loop = own_loop(model, settings.module)
    if loop is None:
        return None
    name = loop.__name__
    if train.weighted:
        settings.warn(f"{name} in the model file gets no weights: all events count the same in training")
    if settings.order == "chunk" or settings.early_stopping or settings.epochs:
        settings.warn(f"{name} in the model file decides epochs, order and when to stop")
    count = _Count(train.size, settings)
    train_loader = _loader(train, settings, count)
    val_loader = _loader(validation, settings)
    # Published model files speak of self.model within such a method: for the time of the call it is the module itself.
    borrowed = getattr(loop, "__self__", None) is model and not hasattr(model, "model")
    if borrowed:
        model.__dict__["model"] = model
    try:
        with user_errors(settings.file, f"{name} failed"):
            returned = loop(model=model, train_loader=train_loader, val_loader=val_loader)
    finally:
        if borrowed:
            model.__dict__.pop("model", None)
    trained = returned if isinstance(returned, nn.Module) else model
    trained.to("cpu")
    set_mode(trained, training=False)
    kind, outputs = output_kind(trained, train.width, settings.task)
    if kind == "logits":
        means = "sigmoid" if outputs == 1 else "softmax"
        settings.warn(
            f"outputs of the module that {name} trained lie outside 0 to 1: they are read as logits, "
            f"and {means} turns them into scores"
        )
    curves = _curves(trained, train, validation, settings)
    count.tell({key: values[-1] for key, values in curves.items()})
    return trained, History(curves=curves, epochs=1)


def own_loop(model: nn.Module, module: ModuleType | None) -> Callable[..., Any] | None:
    """``train_clf`` or ``torch_train`` of the module or of its file, if there is one."""
    for owner in (model, module):
        for name in ("train_clf", "torch_train"):
            loop = getattr(owner, name, None)
            if callable(loop):
                return loop  # type: ignore[no-any-return]
    return None


class _Count:
    """Training events that were handed to the user's loop, told 20 times an epoch."""

    def __init__(self, size: int, settings: FitSettings) -> None:
        self._size = size
        self._settings = settings
        self._done = self._told = 0

    def add(self, events: int) -> None:
        """Count the events of a batch."""
        self._done += events
        if self._done - self._told >= self._size / 20:
            self.tell({})

    def tell(self, figures: dict[str, float]) -> None:
        """Say how far the loop is."""
        self._told = self._done
        epoch = max(self._done - 1, 0) // max(self._size, 1)
        self._settings.progress(epoch, self._done - epoch * self._size, figures)


def _loader(events: Events, settings: FitSettings, count: _Count | None = None) -> DataLoader[Any]:
    """A loader of the events' own batches: the same ones whether or not the events fit in memory."""
    return _Loader(_Batches(events, settings, count), batch_size=None)


class _Loader(DataLoader[Any]):
    """``len`` of it is the number of batches, ``len`` of its ``dataset`` that of the events."""

    def __len__(self) -> int:
        return steps_of(len(self.dataset), self.dataset.batch_size)  # type: ignore[arg-type, attr-defined]


def _labels(y: Any, task: Task) -> Tensor:
    if task == "multiclass":
        return torch.from_numpy(np.array(y, np.int64))
    return torch.from_numpy(np.array(y, np.float32).reshape(-1, 1))


class _Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """Batches as they are read; each time through is the next epoch."""

    def __init__(self, events: Events, settings: FitSettings, count: _Count | None) -> None:
        self._events = events
        self._count = count
        self._task = settings.task
        self.batch_size = settings.batch_size
        self._epoch = 0

    def __len__(self) -> int:
        return self._events.size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch = self._epoch
        self._epoch += 1
        for batch in joined(self._events.batches(self.batch_size, epoch), self.batch_size):
            yield torch.from_numpy(np.array(batch.x)), _labels(batch.y, self._task)
            if self._count is not None:
                self._count.add(len(batch))


def _curves(model: nn.Module, train: Events, validation: Events, settings: FitSettings) -> dict[str, list[float]]:
    scores = Scores(model, train.width, settings.task)

    def predict(x: Any) -> Any:
        with evaluating(scores), torch.no_grad():
            return scores(torch.from_numpy(np.array(x))).numpy()

    curves: dict[str, list[float]] = {}
    for part, prefix in ((train, ""), (validation, "val_")):
        curves |= {prefix + name: [value] for name, value in evaluate(part, predict, settings.task).items()}
    return curves
