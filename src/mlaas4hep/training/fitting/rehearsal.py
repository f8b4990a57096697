"""The end before the beginning: is the model one that can be saved, loaded again and give the same scores?

Asked with a few events before the training, so that hours of it are not lost on a model that nobody can load.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.onnx_graph import to_bytes
from mlaas4hep.bundle.parity import same_scores
from mlaas4hep.errors import FrameworkMissingError, MLaaS4HEPError, ModelFileError
from mlaas4hep.frameworks.native import NativeModel
from mlaas4hep.frameworks.onnx.scoring import OnnxScorer
from mlaas4hep.frameworks.scorer import Loading
from mlaas4hep.training.events.base import Arrays, Events
from mlaas4hep.training.fitting.native import save_native

if TYPE_CHECKING:
    from mlaas4hep.training.backends.base import Backend, FitSettings

__all__ = ["Few", "few_of", "rehearse"]

_PER_CLASS = 40


class Few:
    """The protocol `Events` over a few of them."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    @property
    def size(self) -> int:
        """Number of events."""
        return len(self._arrays)

    @property
    def width(self) -> int:
        """Number of columns the model sees."""
        return int(self._arrays.x.shape[1])

    @property
    def weighted(self) -> bool:
        """False if every weight is 1."""
        return bool((self._arrays.weight != 1.0).any())

    def chunks(self, epoch: int = 0) -> Iterator[Arrays]:  # noqa: ARG002
        """Yield all of them."""
        if len(self._arrays):
            yield self._arrays

    def batches(self, batch_size: int, epoch: int = 0) -> Iterator[Arrays]:  # noqa: ARG002
        """In the order they are in."""
        for start in range(0, len(self._arrays), batch_size):
            yield _rows(self._arrays, slice(start, start + batch_size))

    def load(self) -> Arrays:
        """Return all of them."""
        return self._arrays

    def fits(self) -> bool:
        """Yes."""
        return True


def few_of(events: Events, classes: int) -> Few | None:
    """About 40 events of each class, of the first chunk; None if a class has fewer than two there."""
    chunk = next(iter(events.chunks(0)), None)
    if chunk is None:
        return None
    if not classes:
        return Few(_rows(chunk, slice(0, 2 * _PER_CLASS)))
    chosen = [np.flatnonzero(chunk.y == index)[:_PER_CLASS] for index in range(classes)]
    if min(map(len, chosen)) < 2:
        return None
    return Few(_rows(chunk, np.sort(np.concatenate(chosen))))


def rehearse(backend: Backend, model: Any, few: Few, settings: FitSettings, source: Path) -> None:
    """Save and load a model that was trained on a few events (a network: the untrained one), and compare the scores.

    Args:
        backend: the model's.
        model: not yet trained; not changed.
        few: events.
        settings: of the training to come.
        source: the user's model file.

    Raises:
        ModelFileError: the model can be had neither in its native form nor as ONNX, or the training on a few events
            raises.
    """
    with tempfile.TemporaryDirectory(prefix="mlaas4hep-") as place:
        folder = Path(place)
        silent = replace(
            settings,
            epochs=None,
            order="standard",
            early_stopping=None,
            resume=False,
            checkpoint=folder / "checkpoint",
            progress=lambda _epoch, _done, _figures: None,
            warn=lambda _text: None,
            alert=lambda _text: None,
            left_out={},
        )
        trial = backend.trial(model, few, silent)
        if trial is None:
            return
        x = few.load().x
        expected = backend.predict(trial, x, settings.task)
        native = _native_fails(backend, trial, expected, x, silent, folder / "native", source)
        if native is None:
            return
        onnx = _onnx_fails(backend, trial, expected, x, silent)
    name = type(model).__name__
    if onnx is None:
        settings.warn(f"the native form of {name} cannot be loaded again ({native}): only the ONNX model can be used")
        return
    raise ModelFileError(
        f"{name} could be trained, but not loaded again: as {backend.name} model: {native}; as ONNX: {onnx}",
        where=str(source),
        hint="use an estimator of the framework itself in its place",
    )


def _native_fails(
    backend: Backend,
    trial: Any,
    expected: NDArray[np.float32],
    x: NDArray[np.float32],
    settings: FitSettings,
    folder: Path,
    source: Path,
) -> str | None:
    folder.mkdir()
    try:
        save_native(backend, trial, folder, source, settings.task, None)
        loaded = NativeModel(folder, Loading(settings.task, x.shape[1], trust_code=True), backend.name)
        scores = loaded.scores(x)
    except FrameworkMissingError:
        raise
    except Exception as error:  # user code and loaders raise anything
        return _reason(error)
    return None if same_scores(scores, expected) else "its scores differ"


def _onnx_fails(
    backend: Backend, trial: Any, expected: NDArray[np.float32], x: NDArray[np.float32], settings: FitSettings
) -> str | None:
    try:
        core = backend.to_onnx(trial, x.shape[1], settings.task)
        scores = OnnxScorer(to_bytes(core), threads=1).scores(x)
    except Exception as error:  # as above
        return _reason(error)
    return None if same_scores(scores, expected) else "its scores differ"


def _reason(error: Exception) -> str:
    if isinstance(error, MLaaS4HEPError):
        return error.what
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason').splitlines()[0][:200]}"


def _rows(arrays: Arrays, rows: Any) -> Arrays:
    return Arrays(arrays.x[rows], arrays.y[rows], arrays.weight[rows])
