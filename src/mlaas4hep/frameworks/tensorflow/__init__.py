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


FRAMEWORK = Framework(
    name="tensorflow",
    recognise=_recognise,
    formats=(
        ModelFormat(
            "savedmodel",
            "TensorFlow SavedModel",
            "TensorFlow SavedModel",
            "mlaas4hep.frameworks.tensorflow.saved_model",
            "tensorflow",
            worker="sandboxed",
        ),
        ModelFormat(
            "graphdef",
            "frozen graph of TensorFlow",
            "TensorFlow 1 frozen graph",
            "mlaas4hep.frameworks.tensorflow.graph",
            "tensorflow",
            worker="sandboxed",
        ),
    ),
)
