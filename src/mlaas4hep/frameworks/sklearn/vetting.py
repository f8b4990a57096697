"""Which types a skops file may name: those that scikit-learn and numpy define themselves, and XGBoost's models."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import FunctionType
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError

__all__ = ["open_skops", "trusted"]

PACKAGES: Final = ("sklearn", "numpy")
FUNCTIONS: Final = re.compile(r"sklearn\.(feature_selection|metrics|preprocessing)\.")
"""Modules whose functions compute and do nothing else: those of estimators' arguments, such as ``f_classif``."""
EXACT: Final = {"xgboost.core.Booster", "xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor"}


def open_skops(path: Path) -> Any:
    """Return the estimator in a file; nothing is unpickled, and only trusted types are built.

    Raises:
        ModelRefusedError: the file names other types.
    """
    import skops.io

    types = skops.io.get_untrusted_types(file=path)
    refused = sorted(name for name in types if not trusted(name))
    if refused:
        what = f"the skops file holds types that are not trusted ({', '.join(refused[:3])})"
        raise ModelRefusedError(what, hint="only scikit-learn's own, numpy's and XGBoost's are loaded")
    return skops.io.load(path, trusted=types)


def trusted(name: str) -> bool:
    """Return true for classes that scikit-learn and numpy define themselves, and for XGBoost's models.

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
