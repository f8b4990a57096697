"""LightGBM's estimators, which scikit-learn's own ways to save and convert do not know."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mlaas4hep.bundle.onnx_lightgbm import lightgbm_graph
from mlaas4hep.training.backends._onnx import conversion, finish

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.data import Task

__all__ = ["convert", "is_lightgbm", "register", "text_of"]


def is_lightgbm(model: Any) -> bool:
    """True for an estimator of LightGBM (not one within a pipeline)."""
    module = sys.modules.get("lightgbm")
    return module is not None and isinstance(model, module.LGBMModel)


def text_of(model: Any) -> str:
    """LightGBM's own text form."""
    return str(model.booster_.model_to_string())


def convert(model: Any, width: int, task: Task) -> onnx.ModelProto:
    """As `Backend.to_onnx`; of two classes LightGBM gives one column, the probability of the second."""
    with conversion(model):
        dumped = model.booster_.dump_model()
        outputs = int(dumped["num_tree_per_iteration"])
        return finish(lightgbm_graph(dumped), width, task, output="scores", outputs=outputs)


def register() -> None:
    """Let skl2onnx convert LightGBM's estimators within pipelines and other estimators; nothing without LightGBM."""
    module = sys.modules.get("lightgbm")
    if module is None:
        return
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator

    classes = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    for estimator, shapes, options in (
        (module.LGBMClassifier, shape_calculator.calculate_linear_classifier_output_shapes, classes),
        (module.LGBMRegressor, shape_calculator.calculate_linear_regressor_output_shapes, None),
    ):
        update_registered_converter(
            estimator, f"LightGbm{estimator.__name__}", shapes, convert_lightgbm, options=options
        )
