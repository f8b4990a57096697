"""Training of the network, epoch by epoch, and its scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import FrameworkMissingError
from mlaas4hep.extras import install_hint
from mlaas4hep.features.split import TRAIN, VALIDATION
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.training.images.network import resnet
from mlaas4hep.training.images.pixels import Frame, Pixels
from mlaas4hep.training.images.settings import ImageSettings
from mlaas4hep.training.metrics.classification import accuracy, log_loss, predicted_classes
from mlaas4hep.training.user_code.tensorflow_start import quiet_tensorflow, without_onednn

__all__ = ["Learnt", "Samples", "build", "learn", "scores_of"]


@dataclass(frozen=True)
class Samples:
    """Images with their class index, int64 [N], and part of the split, int8 [N]."""

    pixels: Pixels
    y: NDArray[np.int64]
    part: NDArray[np.int8]

    def of(self, part: int) -> NDArray[np.int64]:
        """Numbers of the images of a part."""
        return np.flatnonzero(self.part == part)


@dataclass
class Learnt:
    """Curves by epoch, and the epoch (from 1) whose weights the network has."""

    curves: dict[str, list[float]] = field(default_factory=dict)
    best: int = 0


def build(frame: Frame, classes: int, settings: ImageSettings) -> Any:
    """Return the network with its optimiser; the same for the same seed.

    Raises:
        FrameworkMissingError: Keras, or what it computes with, is not installed.
    """
    without_onednn()
    try:
        with quiet_tensorflow():
            import keras
    except ImportError as error:
        raise FrameworkMissingError(f"the network needs Keras ({error})", hint=install_hint("tensorflow")) from error
    from mlaas4hep.training.backends.keras.backend import KerasBackend

    KerasBackend().seed(settings.seed, None)
    model = resnet(frame, classes, blocks=settings.blocks, filters=settings.filters)
    model.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def learn(model: Any, samples: Samples, settings: ImageSettings, monitor: Monitor) -> Learnt:
    """Train in place; with validation images the weights of the epoch with the lowest loss on them are taken."""
    training, validation = samples.of(TRAIN), samples.of(VALIDATION)
    learnt, lowest, weights = Learnt(), np.inf, None
    with monitor.stage("training", settings.epochs * len(training), "images") as advance:
        for epoch in range(settings.epochs):
            order = np.random.default_rng([settings.seed, epoch]).permutation(training)
            figures: dict[str, float] = {}
            model.reset_metrics()
            for numbers, x in _batches(samples.pixels, order, settings):
                figures = model.train_on_batch(x, samples.y[numbers], return_dict=True)
                advance(len(numbers), f"epoch {epoch + 1}, loss {float(figures['loss']):.4g}")
            found = {name: float(value) for name, value in figures.items()}
            if len(validation):
                scores = scores_of(model, samples.pixels, validation, settings)
                found["val_loss"] = log_loss(samples.y[validation], scores)
                found["val_accuracy"] = accuracy(samples.y[validation], predicted_classes(scores))
            for name, value in found.items():
                learnt.curves.setdefault(name, []).append(value)
            if not len(validation) or found["val_loss"] < lowest or not learnt.best:
                lowest, learnt.best = found.get("val_loss", np.inf), epoch + 1
                weights = model.get_weights() if len(validation) else None
            elif settings.patience and epoch + 1 - learnt.best >= settings.patience:
                monitor.note(f"no better epoch than {learnt.best} in the last {settings.patience}: the training ends")
                break
    if weights is not None:
        model.set_weights(weights)
    return learnt


def scores_of(model: Any, pixels: Pixels, numbers: NDArray[np.int64], settings: ImageSettings) -> NDArray[np.float32]:
    """Return probabilities of these images, float32 [n, classes]."""
    found = [np.asarray(model.predict_on_batch(x)) for _, x in _batches(pixels, numbers, settings)]
    return np.concatenate(found).astype(np.float32)


def _batches(
    pixels: Pixels, numbers: NDArray[np.int64], settings: ImageSettings
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Batches in this order, a few of them read ahead."""
    size = settings.batch_size
    chosen = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    executor = Executor(settings.workers)
    yield from zip(chosen, executor.map(pixels.batch, chosen, 2 * settings.workers), strict=True)
