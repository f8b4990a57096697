"""scikit-learn models to ONNX with skl2onnx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlaas4hep.frameworks.sklearn.onnx import sklearn_graph
from mlaas4hep.training.backends.onnx import conversion, finish

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.events.base import Task

__all__ = ["convert"]


def convert(model: Any, width: int, task: Task) -> onnx.ModelProto:
    """As `Backend.to_onnx`."""
    if task == "regression":
        method, outputs = "predict", 1
    else:
        method = "predict_proba" if hasattr(model, "predict_proba") else "decision_function"
        outputs = len(model.classes_)
    with conversion(model):
        made, double = sklearn_graph(model, width, method)
        return finish(made, width, task, output=made.graph.output[-1].name, outputs=outputs, double=double)
