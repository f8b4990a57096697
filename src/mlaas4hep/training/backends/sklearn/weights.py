"""How the weights of the events reach the estimators that learn from them, within whatever else they are."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.base import FitSettings

__all__ = ["fit_weighted", "takes_weight", "weight_argument"]

ROUTED = "(routed)"
"""In place of the name of an argument: scikit-learn's metadata routing brings the weights to each that takes them."""


def fit_weighted(model: Any, x: NDArray[Any], y: NDArray[Any], weight: NDArray[Any], settings: FitSettings) -> None:
    """``model.fit`` with weights for all that take them; a warning names those that do not."""
    argument = weight_argument(model)
    without = sorted({type(part).__name__ for part in _learners(model) if not takes_weight(part, "fit")})
    if argument is None or without:
        names = ", ".join(without) or type(model).__name__
        settings.warn(f"{names} takes no weights: all events count the same in training")
    if argument is None:
        model.fit(x, y)
    elif argument == ROUTED:
        _fit_routed(model, x, y, weight)
    else:
        model.fit(x, y, **{argument: weight})


def weight_argument(model: Any) -> str | None:
    """Return the name of the argument of ``fit`` that takes the weights, or `ROUTED`; None if nothing within takes any.

    In a pipeline it is that of the last step, in a search that of its estimator. Through other estimators that hand the
    arguments of ``fit`` on (votes, stackings, one against rest) the weights are routed.
    """
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
    from sklearn.pipeline import Pipeline

    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        inner = weight_argument(last)
        return inner if inner in (None, ROUTED) else f"{name}__{inner}"
    held = [weight_argument(part) for part in _held(model)]
    if takes_weight(model, "fit"):
        # A calibration gives the weights to an estimator that takes them by this name; a bagging draws by them.
        hands_on = "estimator" in _names(model) and hasattr(model, "get_metadata_routing") and _is_calibration(model)
        return ROUTED if hands_on and held and held[0] not in ("sample_weight", None) else "sample_weight"
    if not held or not _takes_more(model) or not any(held):
        return None
    return held[0] if isinstance(model, (GridSearchCV, RandomizedSearchCV)) else ROUTED


def takes_weight(model: Any, method: str) -> bool:
    """Return true if the method has an argument ``sample_weight``."""
    try:
        return "sample_weight" in inspect.signature(getattr(model, method)).parameters
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{type(model).__name__}.{method} cannot be inspected") from error


def _takes_more(model: Any) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(model.fit).parameters.values())


def _names(model: Any) -> set[str]:
    return set(model.get_params(deep=False))


def _is_calibration(model: Any) -> bool:
    from sklearn.calibration import CalibratedClassifierCV

    return isinstance(model, CalibratedClassifierCV)


def _held(model: Any) -> list[Any]:
    """The estimators that an estimator trains."""
    found: list[Any] = []
    for value in model.get_params(deep=False).values():
        if isinstance(value, list) and all(isinstance(item, tuple) and len(item) >= 2 for item in value):
            found += [item[1] for item in value if hasattr(item[1], "fit")]
        elif hasattr(value, "fit") and not isinstance(value, type):
            found.append(value)
    return found


def _learners(model: Any) -> Iterator[Any]:
    """The classifiers and regressors at the end: those that train no others."""
    from sklearn.base import is_classifier, is_regressor
    from sklearn.pipeline import Pipeline

    held = [model.steps[-1][1]] if isinstance(model, Pipeline) else _held(model)
    if not held and (is_classifier(model) or is_regressor(model)):
        yield model
    for part in held:
        yield from _learners(part)


def _fit_routed(model: Any, x: NDArray[Any], y: NDArray[Any], weight: NDArray[Any]) -> None:
    import sklearn
    from sklearn.base import is_classifier, is_regressor

    with sklearn.config_context(enable_metadata_routing=True):
        for part in (model, *(value for value in model.get_params(deep=True).values() if hasattr(value, "fit"))):
            if isinstance(part, type):
                continue
            if takes_weight(part, "fit") and hasattr(part, "set_fit_request"):
                part.set_fit_request(sample_weight=is_classifier(part) or is_regressor(part))
            if hasattr(part, "score") and takes_weight(part, "score") and hasattr(part, "set_score_request"):
                part.set_score_request(sample_weight=False)
        model.fit(x, y, sample_weight=weight)
