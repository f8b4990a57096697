"""ONNX and ONNX Runtime."""

from __future__ import annotations

from mlaas4hep.frameworks.framework import Framework, ModelFormat
from mlaas4hep.frameworks.recognition.peek import Peek

__all__ = ["FRAMEWORK"]


def _recognise(file: Peek) -> str | None:
    return "onnx" if file.message == "onnx" else None


FRAMEWORK = Framework(
    name="onnx",
    recognise=_recognise,
    formats=(ModelFormat("onnx", "ONNX", "ONNX", "mlaas4hep.frameworks.onnx.files", "onnx", worker="never"),),
    packages=("onnx", "onnxruntime"),
)
