"""LightGBM's estimators, which scikit-learn's own ways to save and convert do not know."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mlaas4hep.frameworks.lightgbm.graph import lightgbm_graph
from mlaas4hep.training.backends.onnx import conversion, finish

if TYPE_CHECKING:
    import onnx

    from mlaas4hep.training.events.base import Task

__all__ = ["convert", "is_lightgbm", "text_of"]


def is_lightgbm(model: Any) -> bool:
    """Return true for an estimator of LightGBM (not one within a pipeline)."""
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
