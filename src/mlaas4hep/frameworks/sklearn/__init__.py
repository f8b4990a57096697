"""scikit-learn."""

from __future__ import annotations

from mlaas4hep.frameworks.framework import Framework, ModelFormat, NativeFile
from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["FRAMEWORK"]


def _recognise(file: Peek) -> str | None:
    return "skops" if "schema.json" in file.members else None


FRAMEWORK = Framework(
    name="sklearn",
    imports=("sklearn",),
    recognise=_recognise,
    formats=(ModelFormat("skops", "skops", "mlaas4hep.frameworks.sklearn.files", "sklearn"),),
    natives=(NativeFile("model.skops", "mlaas4hep.frameworks.sklearn.scoring:load_skops"),),
    backend="mlaas4hep.training.backends.sklearn.backend:SklearnBackend",
)
