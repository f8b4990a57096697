"""scikit-learn models from skops files; nothing is unpickled, and only known types are built."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BundleError
from mlaas4hep.frameworks.scorer import Loading, Predict

__all__ = ["load_skops", "trusted"]

PACKAGES = ("sklearn", "numpy")
FUNCTIONS = re.compile(r"sklearn\.(feature_selection|metrics|preprocessing)\.")
"""Modules whose functions compute and do nothing else: those of estimators' arguments, such as ``f_classif``."""
EXACT = {"xgboost.core.Booster", "xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor"}


def load_skops(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """Load a classifier or regressor.

    Returns:
        The function and what it gives: ``probability``, ``decision`` or, for the task regression, ``value``.

    Raises:
        BundleError: the file asks for a type that is not on the list of trusted ones.
    """
    import skops.io

    file = folder / "model.skops"
    types = skops.io.get_untrusted_types(file=file)
    refused = sorted(name for name in types if not trusted(name))
    if refused:
        what = f"the native model holds types that are not trusted ({', '.join(refused[:3])})"
        raise BundleError(
            what, where="native/model.skops", hint="only scikit-learn's own, numpy and xgboost are loaded"
        )
    model: Any = skops.io.load(file, trusted=types)

    if loading.task == "regression":
        method, output = "predict", "value"
    elif hasattr(model, "predict_proba"):
        method, output = "predict_proba", "probability"
    else:
        method, output = "decision_function", "decision"

    def predict(x: NDArray[np.float32]) -> NDArray[Any]:
        values: NDArray[Any] = getattr(model, method)(x)
        return values

    return predict, output


def trusted(name: str) -> bool:
    """True for classes that scikit-learn and numpy define themselves, and for XGBoost's models.

    Of functions only those of scikit-learn that estimators are given to compute with.
    """
    if name in EXACT:
        return True
    module, _, attribute = name.rpartition(".")
    if module.partition(".")[0] not in PACKAGES:
        return False
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return False
    home = str(getattr(found, "__module__", ""))
    if isinstance(found, FunctionType):
        return FUNCTIONS.match(home) is not None
    return isinstance(found, type) and home.partition(".")[0] in PACKAGES
