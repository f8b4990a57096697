"""Old names of scikit-learn's arguments that published model files use, accepted while user code runs and only then.

Arguments that were renamed or have gone, and values that no estimator knows any more under that name: the estimator
gets today's, and the user is told. Whatever an estimator still takes is not touched.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

__all__ = ["old_sklearn_names"]

_RENAMED = {"base_estimator": "estimator", "n_iter": "max_iter", "sparse": "sparse_output"}
_GONE = {"algorithm", "iid", "min_impurity_split", "multi_class", "presort", "validate"}
"""Arguments that have gone, where the estimator does not know them: with today's only choice in their place."""

_VALUES: dict[str, dict[str, Any]] = {
    "loss": {
        "log": "log_loss", "deviance": "log_loss", "ls": "squared_error", "squared_loss": "squared_error",
        "lad": "absolute_error", "least_squares": "squared_error", "least_absolute_deviation": "absolute_error",
        "binary_crossentropy": "log_loss", "categorical_crossentropy": "log_loss",
    },
    "criterion": {"mse": "squared_error", "mae": "absolute_error"},
    "penalty": {"none": None},
}  # fmt: skip


@contextmanager
def old_sklearn_names(source: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Accept the old names until the end of the block.

    Args:
        source: the user's file; the modules of scikit-learn that it names are imported.
        warn: called with a sentence for each old name.
    """
    for name in sorted(set(re.findall(r"sklearn\.(\w+)", source.read_text(errors="replace")))):
        try:
            importlib.import_module(f"sklearn.{name}")
        except ImportError:
            continue
    with ExitStack() as stack:
        for kind in _estimators():
            stack.enter_context(patch.object(kind, "__init__", _with_old_names(kind, kind.__dict__["__init__"], warn)))
        yield


def _estimators() -> list[type]:
    base = sys.modules.get("sklearn.base")
    found: list[type] = []
    left = list(base.BaseEstimator.__subclasses__()) if base is not None else []
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.startswith("sklearn.") and "__init__" in kind.__dict__ and kind not in found:
            found.append(kind)
    return found


def _with_old_names(kind: type, original: Any, warn: Callable[[str], None]) -> Any:
    known = set(inspect.signature(original).parameters)
    defaults = {name: p.default for name, p in inspect.signature(original).parameters.items()}

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self) is kind:
            kwargs = _of_today(kind, known, defaults, kwargs, warn)
        original(self, *args, **kwargs)

    return __init__


def _of_today(
    kind: type, known: set[str], defaults: dict[str, Any], given: dict[str, Any], warn: Callable[[str], None]
) -> dict[str, Any]:
    name = kind.__name__
    changed: dict[str, Any] = {}
    for key, value in given.items():
        new = _RENAMED.get(key)
        if key not in known and new in known:
            warn(f"{name}({key}=...) is the old name of {name}({new}=...)")
            changed[new] = value
        elif key not in known and key in _GONE:
            warn(f"{name}({key}={value!r}) no longer exists in scikit-learn: ignored")
        elif isinstance(value, str) and key == "max_features" and value == "auto":
            today = defaults.get(key)
            warn(f"{name}(max_features='auto') is now max_features={today!r}")
            changed[key] = today
        elif isinstance(value, str) and value in _VALUES.get(key, {}):
            warn(f"{name}({key}={value!r}) is now {key}={_VALUES[key][value]!r}")
            changed[key] = _VALUES[key][value]
        else:
            changed[key] = value
    return changed
