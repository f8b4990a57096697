"""Keras."""

from __future__ import annotations

from mlaas4hep.frameworks.framework import Framework, ModelFormat, NativeFile
from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["FRAMEWORK"]


def _recognise(file: Peek) -> str | None:
    if file.members >= {"config.json", "metadata.json"}:
        return "keras"
    return "keras_h5" if file.head.startswith(b"\x89HDF\r\n\x1a\n") else None


FRAMEWORK = Framework(
    name="keras",
    imports=("keras", "tensorflow"),
    recognise=_recognise,
    formats=(
        ModelFormat("keras", "Keras .keras", "mlaas4hep.frameworks.keras.files", "tensorflow"),
        ModelFormat("keras_h5", "Keras .h5", "mlaas4hep.frameworks.keras.files", "tensorflow"),
    ),
    natives=(
        NativeFile("model.keras", "mlaas4hep.frameworks.keras.scoring:load_keras"),
        NativeFile("model.weights.npz", "mlaas4hep.frameworks.keras.scoring:load_keras_weights"),
    ),
    backend="mlaas4hep.training.backends.keras.backend:KerasBackend",
)
