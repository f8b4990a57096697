"""Running the model of a bundle in this process: ONNX Runtime, or the framework where ONNX is not possible."""

from __future__ import annotations

from mlaas4hep.frameworks.scorer import Scorer

__all__ = ["Scorer"]
