"""TensorFlow."""

from __future__ import annotations

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.framework import Framework, ModelFormat
from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["FRAMEWORK"]


def _recognise(file: Peek) -> str | None:
    if file.message == "savedmodel":
        what = "only the graph of a SavedModel was sent"
        raise ModelRefusedError(what, where=file.path.name, hint="send its whole folder as tar.gz")
    return "graphdef" if file.message == "graphdef" else None


_SAVED, _GRAPH = "TensorFlow SavedModel", "TensorFlow 1 frozen graph"
_HERE = "mlaas4hep.frameworks.tensorflow"

FRAMEWORK = Framework(
    name="tensorflow",
    recognise=_recognise,
    formats=(
        ModelFormat("savedmodel", _SAVED, _SAVED, f"{_HERE}.saved_model", "tensorflow", worker="sandboxed"),
        ModelFormat("graphdef", _GRAPH, _GRAPH, f"{_HERE}.graph", "tensorflow", worker="sandboxed"),
    ),
)
