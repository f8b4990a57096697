"""Keras models to ONNX."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlaas4hep.frameworks.onnx.names import OPSET
from mlaas4hep.training.backends.keras.outputs import activation_missing
from mlaas4hep.training.backends.onnx import conversion, finish

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.events.base import Task

__all__ = ["convert"]


def convert(model: Any, width: int, task: Task) -> onnx.ModelProto:
    """As `Backend.to_onnx`."""
    import numpy as np

    with conversion(model):
        import keras
        import onnx

        outputs = int(np.asarray(model.predict_on_batch(np.zeros((2, width), np.float32))).reshape(2, -1).shape[1])
        with tempfile.TemporaryDirectory(prefix="mlaas4hep-onnx-") as folder:
            path = Path(folder) / "model.onnx"
            signature = [keras.InputSpec(shape=(None, width), dtype="float32")]
            model.export(str(path), format="onnx", verbose=False, input_signature=signature, opset_version=OPSET)
            exported = onnx.load(path)
        return finish(
            exported,
            width,
            task,
            output=exported.graph.output[0].name,
            outputs=outputs,
            activation=activation_missing(model, task, outputs),
        )
