"""XGBoost's scikit-learn models; data that does not fit in memory goes through XGBoost's external-memory matrix."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.probabilities import sigmoid
from mlaas4hep.frameworks.xgboost import MODEL_FILE
from mlaas4hep.training.backends.base import FitSettings, History
from mlaas4hep.training.backends.checks import check_kind
from mlaas4hep.training.backends.user_warnings import passed_on
from mlaas4hep.training.events.base import Events, Task
from mlaas4hep.training.events.outputs import Said

if TYPE_CHECKING:
    import onnx

__all__ = ["XGBoostBackend"]

LOGITS = "binary:logitraw"


class XGBoostBackend:
    """XGBClassifier, XGBRegressor, XGBRFClassifier and XGBRFRegressor. An epoch is a boosting round."""

    name = "xgboost"
    networks = False

    def recognises(self, model: object) -> bool:
        """Return true for an instance of XGBModel."""
        xgboost = sys.modules.get("xgboost")
        return xgboost is not None and isinstance(model, xgboost.XGBModel)

    def seed(self, seed: int, threads: int | None) -> None:
        """Nothing to do: seed and threads are parameters of each model, set in `fit`."""

    def takes_missing(self, model: Any) -> bool:
        """Return true for trees whose ``missing`` is NaN."""
        return model.booster != "gblinear" and model.missing is not None and math.isnan(model.missing)

    def passes(self, model: Any, epochs: int | None, module: ModuleType | None) -> int | None:  # noqa: ARG002
        """Return the rounds."""
        return int(model.get_num_boosting_rounds())

    def fit(self, model: Any, train: Events, validation: Events, settings: FitSettings) -> tuple[Any, History]:
        """Train for the model's number of rounds, with the validation events as evaluation set.

        A checkpoint is written 20 times in a training. It is continued where the result is the same as without
        interruption; models that draw rows or columns at random (subsample, colsample_*, dart) start anew.

        Raises:
            ModelFileError: a classifier for a regression or the reverse, or XGBoost refuses the model's parameters.
        """
        from xgboost import XGBClassifier, XGBRegressor

        from mlaas4hep.training.backends.xgboost.fit import fit

        kinds = {"classifier": isinstance(model, XGBClassifier), "regressor": isinstance(model, XGBRegressor)}
        check_kind(model, settings.task, **kinds)
        unset = {"random_state": settings.seed, "n_jobs": settings.threads}
        model.set_params(**{key: value for key, value in unset.items() if getattr(model, key) is None})
        name = type(model).__name__
        if settings.epochs is not None:
            settings.warn(f"{name} knows no epochs: it is trained for its {model.get_num_boosting_rounds()} rounds")
        if settings.order == "chunk":
            settings.warn(f"{name} cannot be trained chunk by chunk: it is trained on all events at once")
        on_gpu = model.device is None and _has_gpu()
        if on_gpu:
            model.set_params(device="cuda")
        with passed_on(settings.warn):
            history = fit(model, train, validation, settings)
        history.step = "boosting round"
        if on_gpu:
            model.device = "cpu"
            model.get_booster().set_param({"device": "cpu"})
        return model, history

    def predict(self, model: Any, x: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
        """Probabilities, up to the best iteration after early stopping; for a regression the value."""
        if task == "regression":
            return np.asarray(model.predict(x), np.float32).reshape(-1, 1)
        if model.objective == LOGITS:
            return sigmoid(np.asarray(model.predict(x, output_margin=True), np.float32)).reshape(-1, 1)
        scores = np.asarray(model.predict_proba(x), np.float32)
        return scores[:, -1:] if task == "binary" else scores

    def trial(self, model: Any, few: Events, settings: FitSettings) -> None:  # noqa: ARG002
        """None: trees are saved by XGBoost itself, whatever they were trained with."""
        return

    def output(self, model: Any, task: Task) -> Said:
        """Decision values, cut at 0.5, where the objective is not one for classes."""
        objective = str(model.objective)
        classes = objective.startswith(("multi:", "binary:")) or objective == "reg:logistic"
        decision = not callable(model.objective) and (not classes or objective == "binary:hinge")
        return Said(task != "regression" and decision, raw="sigmoid" if objective == LOGITS else "value")

    def takes_any_target(self, model: Any, width: int, settings: FitSettings) -> None:  # noqa: ARG002
        """None: trees know no unit, and the model is to be the one that XGBoost trains when it is called directly."""
        return

    def save(self, model: Any, folder: Path, source: Path) -> None:  # noqa: ARG002
        """Write ``model.ubj``."""
        (folder / MODEL_FILE).write_bytes(bytes(model.get_booster().save_raw("ubj")))

    def to_onnx(self, model: Any, width: int, task: Task) -> onnx.ModelProto:
        """Convert with onnxmltools, up to the best iteration after early stopping."""
        from mlaas4hep.frameworks.xgboost.files import xgboost_graph
        from mlaas4hep.training.backends.onnx import conversion, finish

        with conversion(model):
            values = task != "regression" and (self.output(model, task).decision or model.objective == LOGITS)
            values &= model.objective != "binary:hinge"
            converted = xgboost_graph(_as_regressor(model) if values else model, width)
            return finish(
                converted,
                width,
                task,
                output=converted.graph.output[-1].name,
                outputs=1 if task == "regression" or values else int(model.n_classes_),
                activation="Sigmoid" if model.objective == LOGITS else None,
            )


def _as_regressor(model: Any) -> Any:
    """A binary classifier whose objective gives one number, as the converter takes it."""
    from xgboost import XGBRegressor

    regressor = XGBRegressor()
    regressor.load_model(bytearray(model.get_booster().save_raw("ubj")))
    return regressor


def _has_gpu() -> bool:
    import xgboost

    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and Path("/dev/nvidiactl").exists() and bool(xgboost.build_info().get("USE_CUDA"))
