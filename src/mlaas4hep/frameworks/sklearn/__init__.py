"""scikit-learn."""

from __future__ import annotations

from mlaas4hep.frameworks.framework import Framework, ModelFormat, NativeFile
from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["FRAMEWORK", "MODEL_FILE"]

MODEL_FILE = "model.skops"
"""How a bundle holds a model."""


def _recognise(file: Peek) -> str | None:
    return "skops" if "schema.json" in file.members else None


FRAMEWORK = Framework(
    name="sklearn",
    imports=("sklearn",),
    recognise=_recognise,
    formats=(ModelFormat("skops", "skops", "scikit-learn (skops)", "mlaas4hep.frameworks.sklearn.files", "sklearn"),),
    natives=(NativeFile(MODEL_FILE, "mlaas4hep.frameworks.sklearn.files:load_native"),),
    backend="mlaas4hep.training.backends.sklearn.backend:SklearnBackend",
    trained="scikit-learn estimators",
    packages=("scikit-learn", "skl2onnx", "skops"),
)
