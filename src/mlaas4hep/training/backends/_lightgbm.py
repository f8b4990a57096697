"""LightGBM's estimators, which scikit-learn's own ways to save and convert do not know."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mlaas4hep.training.backends._onnx import conversion, finish

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.data import Task

__all__ = ["convert", "is_lightgbm", "text_of"]


def is_lightgbm(model: Any) -> bool:
    """True for an estimator of LightGBM (not one within a pipeline)."""
    module = sys.modules.get("lightgbm")
    return module is not None and isinstance(model, module.LGBMModel)


def text_of(model: Any) -> str:
    """LightGBM's own text form."""
    return str(model.booster_.model_to_string())


def convert(model: Any, width: int, task: Task) -> onnx.ModelProto:
    """As `Backend.to_onnx`."""
    with conversion(model):
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        types = [("x", FloatTensorType([None, width]))]
        converted = convert_lightgbm(model, initial_types=types, target_opset=15, zipmap=False)
        outputs = 1 if task == "regression" else len(model.classes_)
        return finish(converted, width, task, output=converted.graph.output[-1].name, outputs=outputs)
