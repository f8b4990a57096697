"""scikit-learn models to ONNX with skl2onnx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlaas4hep.training.backends._lightgbm import register
from mlaas4hep.training.backends._onnx import ML_OPSET, OPSET, conversion, finish
from mlaas4hep.training.backends._sklearn_thresholds import with_float32_thresholds
from mlaas4hep.training.backends.sklearn_backend import last_step

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.data import Task

__all__ = ["convert"]

# Distances and long sums lose too many digits in float32: these are computed in float64 within the graph.
_DOUBLE = ("KNeighborsClassifier", "KNeighborsRegressor", "RadiusNeighborsClassifier", "MLPClassifier", "MLPRegressor")


def convert(model: Any, width: int, task: Task) -> onnx.ModelProto:
    """As `Backend.to_onnx`."""
    with conversion(model):
        model = with_float32_thresholds(model)
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

        register()
        double = type(last_step(model)).__name__ in _DOUBLE
        kind = DoubleTensorType if double else FloatTensorType
        options: dict[int, dict[str, bool]] = {}
        if task != "regression" and hasattr(model, "predict_proba"):
            options = {id(model): {"zipmap": False}}
        elif task != "regression":
            options = {id(last_step(model)): {"raw_scores": True} | _plain(last_step(model))}
        converted = to_onnx(
            model,
            initial_types=[("x", kind([None, width]))],
            options=options,
            target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
        )
        outputs = 1 if task == "regression" else len(model.classes_)
        return finish(
            converted,
            width,
            task,
            output=converted.graph.output[-1].name,
            outputs=outputs,
            double=double,
        )


def _plain(model: Any) -> dict[str, bool]:
    """The option that makes the scores a matrix, for converters that know it."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import _converter_pool

    known = _converter_pool[sklearn_operator_name_map[type(model)]].get_allowed_options() or {}
    return {"zipmap": False} if "zipmap" in known else {}
