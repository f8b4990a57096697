"""The two ways to train a scikit-learn model: all events at once, or pass by pass with ``partial_fit``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mlaas4hep.training.backends.base import Backend, FitSettings, History
from mlaas4hep.training.backends.loop import run_passes
from mlaas4hep.training.backends.losses import evaluate
from mlaas4hep.training.backends.passes import Pass
from mlaas4hep.training.backends.sklearn.sparse import without_sparse_columns
from mlaas4hep.training.backends.sklearn.weights import fit_weighted, takes_weight
from mlaas4hep.training.events.base import Events, Task
from mlaas4hep.training.user_code.user_model import user_errors

__all__ = ["figures_of", "fit_at_once", "fit_by_passes", "streams"]


def streams(model: Any, train: Events, settings: FitSettings) -> bool:
    """Return true if the model is to be trained with ``partial_fit``; says why not where that was asked for."""
    name = type(model).__name__
    if not hasattr(model, "partial_fit"):
        if settings.order == "chunk":
            settings.warn(f"{name} cannot be trained chunk by chunk: it is trained on all events at once")
        elif settings.early_stopping or settings.epochs is not None:
            what = "early stopping has" if settings.early_stopping else "their number has"
            settings.warn(f"{name} knows no epochs: {what} no effect")
        return False
    asked = settings.epochs is not None or settings.order == "chunk"
    if not asked and train.fits():
        if settings.early_stopping:
            settings.warn(f"{name} is trained on all events at once: early stopping has no effect without epochs")
        return False
    if getattr(model, "early_stopping", False):
        if train.fits():
            settings.warn(f"{name}(early_stopping=True) splits the events itself: it is trained on all events at once")
            return False
        settings.warn(f"{name}: early_stopping is switched off, since the events are streamed")
        model.set_params(early_stopping=False)
    return True


def fit_at_once(model: Any, train: Events, settings: FitSettings) -> Any:
    """``model.fit`` on all events, with weights if it takes them; the fitted model.

    Raises:
        MemoryLimitError: they do not fit.
        ModelFileError: the training raises.
    """
    data = train.load()
    model = without_sparse_columns(model, data.x, settings)
    with user_errors(settings.file, f"{type(model).__name__} cannot be trained"):
        if train.weighted:
            fit_weighted(model, data.x, data.y, data.weight, settings)
        else:
            model.fit(data.x, data.y)
    return model


def fit_by_passes(backend: Backend, model: Any, train: Events, validation: Events, settings: FitSettings) -> History:
    """``partial_fit`` over all passes; ``model`` is the trained one afterwards."""
    weighted = train.weighted
    if weighted and not takes_weight(model, "partial_fit"):
        settings.warn(f"{type(model).__name__} takes no weights in partial_fit: all events count the same in training")
        weighted = False
    return run_passes(_Streamed(backend, model, weighted, validation, settings), train, validation, settings)


@dataclass
class _Streamed:
    """A ``partial_fit`` model as the loop sees it."""

    backend: Backend
    model: Any
    weighted: bool
    validation: Events
    settings: FitSettings

    def learn(self, part: Pass) -> dict[str, float]:
        classes = {} if self.settings.task == "regression" else {"classes": np.arange(self.settings.classes)}
        done = 0
        figures: list[tuple[float, dict[str, float]]] = []
        for chunk in part.chunks():
            extra = {"sample_weight": chunk.weight} if self.weighted else {}
            with user_errors(self.settings.file, f"{type(self.model).__name__} cannot be trained"):
                self.model.partial_fit(chunk.x, chunk.y, **classes, **extra)
            done += len(chunk)
            figures.append((float(chunk.weight.sum(dtype=np.float64)), self._figures(_One(chunk))))
            if done < part.size:
                self.settings.progress(*part.place(done), figures[-1][1])
        return _mean(figures)

    def _figures(self, events: Any) -> dict[str, float]:
        return figures_of(self.backend, self.model, events, self.settings.task)

    def validate(self) -> dict[str, float]:
        return self._figures(self.validation)

    def state(self) -> bytes:
        from mlaas4hep.training.backends.sklearn.skops import dump

        return dump(self.model)

    def restore(self, state: bytes) -> None:
        from mlaas4hep.training.backends.sklearn.skops import load_own

        self.model.__dict__.update(load_own(state).__dict__)


class _One:
    """One chunk, as far as `evaluate` needs events."""

    def __init__(self, chunk: Any) -> None:
        self._chunk = chunk

    def chunks(self, epoch: int = 0) -> list[Any]:  # noqa: ARG002
        return [self._chunk]


def _mean(figures: list[tuple[float, dict[str, float]]]) -> dict[str, float]:
    total = sum(weight for weight, values in figures if values)
    if total <= 0:
        return {}
    names = next(values for _, values in figures if values)
    return {name: sum(w * values[name] for w, values in figures if values) / total for name in names}


def figures_of(backend: Backend, model: Any, events: Any, task: Task) -> dict[str, float]:
    """Loss and accuracy, see `evaluate`."""
    said = backend.output(model, task)
    predict = partial(backend.predict, model, task=task)
    return evaluate(events, predict, task, decision=said.decision, threshold=said.threshold)
