"""scikit-learn: any classifier, regressor or pipeline; ``partial_fit`` models stream."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import ModelFileError
from mlaas4hep.frameworks import lightgbm, sklearn
from mlaas4hep.training.backends.base import FitSettings, History
from mlaas4hep.training.backends.checks import check_kind
from mlaas4hep.training.backends.sklearn.stages import staged_curves
from mlaas4hep.training.backends.user_warnings import passed_on
from mlaas4hep.training.events.base import Events, Task
from mlaas4hep.training.events.outputs import Said

if TYPE_CHECKING:
    import onnx

__all__ = ["SklearnBackend"]


class SklearnBackend:
    """Models are fitted on all events at once, or streamed where they can and the data or the user asks for it."""

    name = "sklearn"
    networks = False

    def recognises(self, model: object) -> bool:
        """Return true for an instance of scikit-learn's BaseEstimator."""
        base = sys.modules.get("sklearn.base")
        return base is not None and isinstance(model, base.BaseEstimator)

    def seed(self, seed: int, threads: int | None) -> None:  # noqa: ARG002
        """Seed numpy's global generator, which models without random_state use."""
        np.random.seed(seed)  # noqa: NPY002

    def takes_missing(self, model: Any) -> bool:
        """True for HistGradientBoosting, alone or as the end of a pipeline whose other steps keep or fill NaN."""
        from sklearn.pipeline import Pipeline
        from sklearn.utils import get_tags

        if isinstance(model, Pipeline):
            steps = [step for _, step in model.steps if step not in (None, "passthrough")]
            through = all(
                type(step).__name__ in _KEEP_NAN and get_tags(step).input_tags.allow_nan for step in steps[:-1]
            )
            return through and self.takes_missing(steps[-1])
        return type(model).__name__ in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")

    def passes(self, model: Any, epochs: int | None, module: ModuleType | None) -> int | None:  # noqa: ARG002
        """Return the epochs of ``partial_fit``; None for one call of ``fit``, which says nothing before its end."""
        streamed = hasattr(model, "partial_fit") and not getattr(model, "early_stopping", False)
        return epochs if streamed else None

    def fit(self, model: Any, train: Events, validation: Events, settings: FitSettings) -> tuple[Any, History]:
        """Train with `fit`, or with `partial_fit` if the events do not fit in memory, epochs are given, or by chunks.

        Raises:
            ModelFileError: a classifier for a regression or the reverse, or the training raises.
            MemoryLimitError: the model needs all events at once and they do not fit.
        """
        from sklearn.base import is_classifier, is_regressor
        from threadpoolctl import threadpool_limits

        from mlaas4hep.training.backends.sklearn.fit import fit_at_once, fit_by_passes, streams

        check_kind(model, settings.task, classifier=is_classifier(model), regressor=is_regressor(model))
        self.seed(settings.seed, settings.threads)
        set_random_state(model, settings.seed)
        with threadpool_limits(limits=settings.threads), passed_on(settings.warn):
            if streams(model, train, settings):
                return model, fit_by_passes(self, model, train, validation, settings)
            model = fit_at_once(model, train, settings)
            _check_scores(model, settings.task)
            return model, self._curves(model, train, validation, settings)

    def trial(self, model: Any, few: Events, settings: FitSettings) -> Any:
        """Return a copy that was trained on a few events; None if it cannot be (it may need more of them)."""
        from sklearn.base import clone

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fitted = self.fit(clone(model), few, few, settings)[0]
            except Exception:  # an estimator raises anything; if it is not for the number of events, it will again
                return None
            _check_columns(fitted, few, settings.task)
            return fitted

    def output(self, model: Any, task: Task) -> Said:
        """Decision values, cut at 0, where there is no ``predict_proba``."""
        decision = task != "regression" and not hasattr(model, "predict_proba")
        return Said(decision, threshold=0.0 if decision else 0.5)

    def takes_any_target(self, model: Any, width: int, settings: FitSettings) -> None:  # noqa: ARG002
        """None: a scikit-learn estimator gets what it would get if it was called directly."""
        return

    def predict(self, model: Any, x: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
        """Scores: probabilities, or the decision function where there are none."""
        if len(x) == 0:
            return np.zeros((0, 1 if task != "multiclass" else len(model.classes_)), np.float32)
        if task == "regression":
            return np.asarray(model.predict(x), np.float32).reshape(-1, 1)
        if hasattr(model, "predict_proba"):
            scores = np.asarray(model.predict_proba(x), np.float32)
        else:
            scores = np.asarray(model.decision_function(x), np.float32)
        scores = scores.reshape(len(x), -1)
        return scores[:, -1:] if task == "binary" else scores

    def save(self, model: Any, folder: Path, source: Path) -> None:  # noqa: ARG002
        """Write ``model.skops``, which holds no pickle and no dates; for LightGBM its own text form ``model.txt``."""
        from mlaas4hep.training.backends.sklearn.lightgbm import is_lightgbm, text_of
        from mlaas4hep.training.backends.sklearn.skops import dump

        if is_lightgbm(model):
            (folder / lightgbm.MODEL_FILE).write_text(text_of(model))
            return
        (folder / sklearn.MODEL_FILE).write_bytes(dump(model))

    def to_onnx(self, model: Any, width: int, task: Task) -> onnx.ModelProto:
        """Convert with skl2onnx."""
        from mlaas4hep.training.backends.sklearn import lightgbm as _lightgbm
        from mlaas4hep.training.backends.sklearn.onnx import convert

        if _lightgbm.is_lightgbm(model):
            return _lightgbm.convert(model, width, task)
        return convert(model, width, task)

    def _curves(self, model: Any, train: Events, validation: Events, settings: FitSettings) -> History:
        """Figures after each stage of a boosting, else at the end alone."""
        from mlaas4hep.training.backends.sklearn.fit import figures_of

        history = History(epochs=1)
        for part, prefix in ((train, ""), (validation, "val_")):
            curves = staged_curves(model, part, settings.task)
            if curves is not None:
                history.step = "boosting round"
            else:
                curves = {name: [value] for name, value in figures_of(self, model, part, settings.task).items()}
            history.curves |= {prefix + name: values for name, values in curves.items()}
        history.epochs = max((len(values) for values in history.curves.values()), default=1)
        settings.progress(0, train.size, {name: values[-1] for name, values in history.curves.items()})
        return history


_AGREE = 0.8
_KEEP_NAN = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "SimpleImputer")


def set_random_state(model: Any, seed: int) -> None:
    """Set every ``random_state`` that is None, also of nested models."""
    parameters = model.get_params(deep=True)
    unset = {
        key: seed
        for key, value in parameters.items()
        if value is None and (key == "random_state" or key.endswith("__random_state"))
    }
    if unset:
        model.set_params(**unset)


def _check_scores(model: Any, task: Task) -> None:
    """Refuse a trained classifier that can only say which class; asked after the training, as some know it then."""
    if task != "regression" and not hasattr(model, "predict_proba") and not hasattr(model, "decision_function"):
        raise ModelFileError(f"{type(model).__name__} has neither predict_proba nor decision_function")


def _check_columns(model: Any, few: Events, task: Task) -> None:
    """Refuse a decision function whose columns are not the classes: the largest is to be that of the class predicted.

    Its ties may be broken otherwise, so that a few events may differ.
    """
    if task != "multiclass" or hasattr(model, "predict_proba"):
        return
    x = few.load().x
    values = np.asarray(model.decision_function(x))
    columns = values.shape[1] if values.ndim == 2 else 1
    predicted = np.searchsorted(model.classes_, model.predict(x))
    if columns == len(model.classes_) and (values.argmax(axis=1) == predicted).mean() > _AGREE:
        return
    pairs = len(model.classes_) * (len(model.classes_) - 1) // 2
    what = f"the {columns} columns of its decision_function do not stand for the {len(model.classes_)} classes"
    why = " but may stand for pairs of them" if columns == pairs else ""
    raise ModelFileError(
        f"{type(model).__name__}: {what}{why}",
        hint='scores have one column per class: decision_function_shape="ovr" for SVC and NuSVC',
    )
