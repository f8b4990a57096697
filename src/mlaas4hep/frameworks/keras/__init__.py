"""Keras."""

from __future__ import annotations

from mlaas4hep.frameworks.framework import Framework, ModelFormat, NativeFile
from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["FRAMEWORK", "MODEL_FILE", "WEIGHTS_FILE"]

MODEL_FILE = "model.keras"
"""How a bundle holds a model of Keras' own layers."""
WEIGHTS_FILE = "model.weights.npz"
"""How a bundle holds the weights of a model of the user's own classes; ``model.py`` beside it builds the model."""


def _recognise(file: Peek) -> str | None:
    if file.members >= {"config.json", "metadata.json"}:
        return "keras"
    return "keras_h5" if file.head.startswith(b"\x89HDF\r\n\x1a\n") else None


FRAMEWORK = Framework(
    name="keras",
    imports=("keras", "tensorflow"),
    recognise=_recognise,
    formats=(
        ModelFormat("keras", "Keras .keras", "Keras", "mlaas4hep.frameworks.keras.files", "tensorflow"),
        ModelFormat("keras_h5", "Keras .h5", "Keras", "mlaas4hep.frameworks.keras.files", "tensorflow"),
    ),
    natives=(
        NativeFile(MODEL_FILE, "mlaas4hep.frameworks.keras.files:load_native"),
        NativeFile(WEIGHTS_FILE, "mlaas4hep.frameworks.keras.files:load_weights"),
    ),
    backend="mlaas4hep.training.backends.keras.backend:KerasBackend",
    trained="keras.Model",
    packages=("keras", "tensorflow", "tensorflow-cpu"),
)
