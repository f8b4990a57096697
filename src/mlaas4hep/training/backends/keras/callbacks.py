"""Callbacks of Keras's engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlaas4hep.training.backends.base import FitSettings
from mlaas4hep.training.backends.passes import Pass

__all__ = ["on_epoch_begin", "progress_callback"]


def progress_callback(part: Pass, settings: FitSettings, errors: list[Exception]) -> Any:
    """Return a callback that tells progress 20 times an epoch; its errors are kept, which the engine would hide."""
    import keras

    steps = part.steps()
    every = max(1, steps // 20)

    class Report(keras.callbacks.Callback):  # type: ignore[misc]
        """Calls progress 20 times an epoch."""

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            if (batch + 1) % every == 0 and batch + 1 < steps:
                figures = {name: float(value) for name, value in (logs or {}).items()}
                try:
                    settings.progress(*part.place((batch + 1) * settings.batch_size), figures)
                except Exception as error:
                    errors.append(error)
                    raise

    return Report()


def on_epoch_begin(action: Callable[[], None]) -> Any:
    """Return a callback that acts before the first batch."""
    import keras

    return keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: action())
