"""LightGBM."""

from __future__ import annotations

from mlaas4hep.frameworks.framework import Framework, ModelFormat, NativeFile
from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["FRAMEWORK", "MODEL_FILE"]

MODEL_FILE = "model.txt"
"""How a bundle holds a model."""


def _recognise(file: Peek) -> str | None:
    return "lightgbm" if file.head.startswith(b"tree\n") and b"\nversion=" in file.head else None


FRAMEWORK = Framework(
    name="lightgbm",
    recognise=_recognise,
    formats=(ModelFormat("lightgbm", "LightGBM text", "LightGBM", "mlaas4hep.frameworks.lightgbm.files", "lightgbm"),),
    natives=(NativeFile(MODEL_FILE, "mlaas4hep.frameworks.lightgbm.files:load_native"),),
    packages=("lightgbm",),
)
