"""All figures of a trained model in one JSON-ready dict: what ``metrics.json`` holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlaas4hep.training.data import Task
from mlaas4hep.training.metrics import ams as significance
from mlaas4hep.training.metrics import classification
from mlaas4hep.training.metrics._arrays import Floats
from mlaas4hep.training.metrics.compare import ks_test
from mlaas4hep.training.metrics.curves import one_vs_rest_auc, roc_auc
from mlaas4hep.training.metrics.parts import Part
from mlaas4hep.training.metrics.ranges import outside, within
from mlaas4hep.training.metrics.regression import regression_metrics

__all__ = ["Part", "evaluate"]

_REASONS = {
    "auc": "it needs events of both classes, each with a positive sum of weights",
    "purity": "the events taken for this class have no positive sum of weights",
    "efficiency": "this class has no positive sum of weights",
    "f1": "this class has no positive sum of weights",
    "rmse": "the weighted mean of the squared residuals is negative, or the sum of weights is not positive",
    "r2": "the target does not vary, or the sum of weights is not positive",
    "threshold": "the AMS is nowhere defined: a class has no positive sum of weights, or no threshold was given",
    "chosen_value": "the AMS is nowhere defined: a class has no positive sum of weights, or no threshold was given",
    "value": "the selected signal or background has a negative sum of weights, or there is no threshold",
    "error": "fewer than two bootstrap replicas have a defined AMS",
    "distance": "the class has no positive sum of weights in train or test",
    "p_value": "the class has no positive sum of weights in train or test",
}
_RAW_COUNTS = "no weights are given, and the events of a file are not the events that are expected in the data"
_OTHERWISE = "the sum of weights is not positive"


def evaluate(
    task: Task,
    classes: Sequence[str],
    parts: Mapping[str, Part],
    *,
    threshold: float = 0.5,
    ams_threshold: float | None = None,
    totals: Sequence[float] | None = None,
    replicas: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Compute every figure for every part.

    Args:
        task: binary, multiclass or regression.
        classes: names of the classes by index (binary: background, signal); empty for regression.
        parts: events by name; ``train``, ``validation`` and ``test`` after a training, ``data`` alone for other files.
        threshold: binary: an event is counted as signal from this score on (confusion matrix, accuracy, report).
        ams_threshold: threshold of the AMS chosen earlier; None: the best one on ``validation``.
        totals: sums of weights of (background, signal) that the AMS is scaled to; None: of all parts together.
        replicas: number of bootstrap replicas for the error of the AMS.
        seed: seed of the bootstrap.

    Returns:
        A dict of plain Python values without NaN or infinities::

            {"task", "classes", "threshold",
             "parts": {part: {"events", "sum_of_weights", "classes": {class: {"events", "sum_of_weights"}},
                              "unweighted": {...}, "weighted": {...}}},
             "ams": {"b_r", "totals", "threshold", "chosen_on", "chosen_value", "minimum_background", "evaluated_on",
                     "value", "error", "signal", "background", "replicas"},    # binary with weights only
             "ks": {class: {"distance", "p_value"}},    # train against test; regression: of the residuals
             "undefined": [{"what", "reason"}]}

        The figures are: classification ``loss``, ``accuracy``, ``auc`` (multiclass: macro mean, and
        ``auc_per_class``), ``confusion`` (rows true, columns predicted) and ``classes`` (purity, efficiency, f1,
        support); regression those of `regression_metrics`. A figure that is undefined is None, and ``undefined`` says
        which and why.
    """
    if not parts:
        msg = "there is no part to evaluate"
        raise ValueError(msg)
    undefined: list[dict[str, str]] = []
    usable: dict[str, Part] = {}
    for name, part in parts.items():
        usable[name] = part.finite()
        lost = len(part) - len(usable[name])
        if lost:
            reason = (
                f"the model gave no finite score for {lost} of {len(part)} events; they are left out of all figures"
            )
            undefined.append({"what": f"parts.{name}", "reason": reason})
    result: dict[str, Any] = {"task": task, "classes": list(classes)}
    if task == "binary":
        result["threshold"] = threshold
    result["parts"] = {name: _part(task, classes, part, usable[name], threshold) for name, part in parts.items()}
    if task == "binary" and any(bool(np.any(part.weight != 1.0)) for part in parts.values()):
        result["ams"] = _ams(usable, ams_threshold, totals, replicas, seed)
    elif task == "binary":
        undefined.append({"what": "ams", "reason": _RAW_COUNTS})
    if "train" in usable and "test" in usable:
        result["ks"] = _ks(task, classes, usable["train"], usable["test"])
    clean: dict[str, Any] = _clean(result, "", undefined)
    clean["undefined"] = undefined
    return clean


def _part(task: Task, classes: Sequence[str], part: Part, usable: Part, threshold: float) -> dict[str, Any]:
    block: dict[str, Any] = {"events": len(part), "sum_of_weights": float(part.weight.sum())}
    if task != "regression":
        block["classes"] = {
            name: {"events": int((part.y == index).sum()), "sum_of_weights": float(part.weight[part.y == index].sum())}
            for index, name in enumerate(classes)
        }
    for kind, weight in (("unweighted", np.ones(len(usable))), ("weighted", usable.weight)):
        block[kind] = _figures(task, classes, usable, weight, threshold)
    return block


def _figures(task: Task, classes: Sequence[str], part: Part, weight: Floats, threshold: float) -> dict[str, Any]:
    if task == "regression":
        return dict(regression_metrics(part.y, part.scores, weight))
    predicted = classification.predicted_classes(part.scores, threshold)
    matrix = classification.confusion_matrix(part.y, predicted, len(classes), weight)
    figures: dict[str, Any] = {
        "loss": classification.log_loss(part.y, part.scores, weight),
        "accuracy": classification.accuracy(part.y, predicted, weight),
    }
    if task == "binary":
        figures["auc"] = roc_auc(part.y, part.scores, weight)
    else:
        areas, figures["auc"] = one_vs_rest_auc(part.y, part.scores, weight)
        figures["auc_per_class"] = {name: {"auc": float(area)} for name, area in zip(classes, areas, strict=True)}
    figures["confusion"] = matrix.tolist()
    figures["classes"] = dict(zip(classes, classification.class_report(matrix), strict=True))
    return figures


def _ams(
    parts: Mapping[str, Part], given: float | None, totals: Sequence[float] | None, replicas: int, seed: int
) -> dict[str, Any]:
    def sums(part: Part) -> Floats:
        return np.array([part.weight[part.y == index].sum() for index in (0, 1)])

    full = [float(total) for total in (totals if totals is not None else sum(map(sums, parts.values()), np.zeros(2)))]
    block: dict[str, Any] = {"b_r": significance.B_R, "totals": full, "threshold": math.nan, "chosen_on": "given"}
    if given is not None:
        block["threshold"] = float(given)
    elif "validation" in parts:
        part = parts["validation"]
        scale = significance.class_scales(part.y, part.weight, full)
        minimum = significance.MINIMUM_BACKGROUND
        best = significance.best_threshold(part.y, part.scores, part.weight, scale=scale, minimum_background=minimum)
        block["minimum_background"] = minimum
        block["threshold"], block["chosen_value"] = best
        block["chosen_on"] = "validation"
    else:
        block["chosen_on"] = None
    name = next((name for name in ("test", "data") if name in parts), None) or list(parts)[-1]
    part, cut = parts[name], block["threshold"]
    block |= {"evaluated_on": name, "value": math.nan, "error": math.nan, "replicas": replicas}
    if math.isfinite(cut):
        scale = significance.class_scales(part.y, part.weight, full)
        signal, background = significance.selected_sums(part.y, part.scores, part.weight, cut, scale)
        block |= {"signal": signal, "background": background, "value": float(significance.ams(signal, background))}
        block["error"] = significance.bootstrap_error(
            part.y, part.scores, part.weight, cut, scale=scale, replicas=replicas, seed=seed
        )
    return block


def _ks(task: Task, classes: Sequence[str], train: Part, test: Part) -> dict[str, Any]:
    if task == "regression":
        residuals = [part.scores.reshape(-1).astype(np.float64) - part.y for part in (train, test)]
        distance, p_value = ks_test(residuals[0], residuals[1], train.weight, test.weight)
        return {"residual": {"distance": distance, "p_value": p_value}}
    result = {}
    for index, name in enumerate(classes):
        column = 0 if task == "binary" else index
        one, two = train.y == index, test.y == index
        distance, p_value = ks_test(
            train.scores[one, column], test.scores[two, column], train.weight[one], test.weight[two]
        )
        result[name] = {"distance": distance, "p_value": p_value}
    return result


def _clean(value: Any, path: str, undefined: list[dict[str, str]]) -> Any:
    """Plain values with None for what is not finite or out of its range, which is noted in ``undefined``."""
    if isinstance(value, dict):
        return {key: _clean(item, f"{path}.{key}" if path else str(key), undefined) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item, f"{path}[{index}]", undefined) for index, item in enumerate(value)]
    if isinstance(value, float):
        name = path.rsplit(".", 1)[-1]
        checked = within(name, value)
        if not math.isfinite(checked):
            undefined.append({"what": path, "reason": outside(name, value) or _REASONS.get(name, _OTHERWISE)})
            return None
        return checked
    return value
