"""All figures of a trained model in one JSON-ready dict: what ``metrics.json`` holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlaas4hep.training.events.base import Task
from mlaas4hep.training.metrics import ams as significance
from mlaas4hep.training.metrics import classification
from mlaas4hep.training.metrics._arrays import Floats
from mlaas4hep.training.metrics.auc_error import auc_error, auc_grouping
from mlaas4hep.training.metrics.compare import ks_test
from mlaas4hep.training.metrics.curves import roc_auc
from mlaas4hep.training.metrics.parts import Column, Grouped, Part, Scored
from mlaas4hep.training.metrics.ranges import outside, within

__all__ = ["Part", "evaluate"]

_REASONS = {
    "auc": "it needs events of both classes, each with a positive sum of weights",
    "purity": "the events taken for this class have no positive sum of weights",
    "efficiency": "this class has no positive sum of weights",
    "f1": "this class has no positive sum of weights",
    "rmse": "the weighted mean of the squared residuals is negative, or the sum of weights is not positive",
    "r2": "the target does not vary, or the sum of weights is not positive",
    "threshold": "the AMS is not defined: a class has no positive sum of weights, or no threshold was given",
    "chosen_value": "the AMS is not defined: a class has no positive sum of weights, or no threshold was given",
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
    parts: Mapping[str, Scored],
    *,
    threshold: float = 0.5,
    output: str | None = None,
    ams_threshold: float | None = None,
    totals: Sequence[float] | None = None,
    replicas: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Compute every figure for every part.

    Args:
        task: binary, multiclass or regression.
        classes: names of the classes by index (binary: background, signal); empty for regression.
        parts: events by name (all, or in groups; see `Gatherer`): ``train``, ``validation`` and ``test`` after a
            training, ``data`` alone for other files.
        threshold: binary: an event is counted as signal from this score on (confusion matrix, accuracy, report).
        output: what the scores are, ``probability`` (so without it) or ``decision``, which has no log loss.
        ams_threshold: threshold of the AMS chosen earlier; None: the best one on ``validation``.
        totals: sums of weights of (background, signal) that the AMS is scaled to; None: of all parts together.
        replicas: number of bootstrap replicas for the error of the AMS.
        seed: seed of the bootstrap.

    Returns:
        A dict of plain Python values without NaN or infinities::

            {"task", "classes", "output", "threshold",
             "parts": {part: {"events", "sum_of_weights", "classes": {class: {"events", "sum_of_weights"}},
                              "groups": {"number"},    # only where the events are in groups
                              "unweighted": {...}, "weighted": {...}}},
             "ams": {"b_r", "totals", "threshold", "chosen_on", "chosen_value", "minimum_background", "evaluated_on",
                     "value", "error", "signal", "background", "replicas"},    # binary with weights only
             "ks": {class: {"distance", "p_value"}},    # train against test; regression: of the residuals
             "undefined": [{"what", "reason"}]}

        The figures are: classification ``loss``, ``accuracy``, ``auc`` (multiclass: macro mean, and
        ``auc_per_class``), ``auc_error`` (see `auc_error`), ``auc_grouping`` (see `auc_grouping`; only for groups),
        ``confusion`` (rows true, columns predicted) and ``classes`` (purity, efficiency, f1, support);
        regression those of `regression_metrics`. A figure that is undefined is None, and ``undefined`` says which and
        why.
    """
    if not parts:
        msg = "there is no part to evaluate"
        raise ValueError(msg)
    undefined: list[dict[str, str]] = []
    usable: dict[str, Scored] = {}
    for name, part in parts.items():
        usable[name] = part.finite()
        lost = part.lost
        if lost:
            reason = (
                f"the model gave no finite score for {lost} of {len(part)} events; they are left out of all figures"
            )
            undefined.append({"what": f"parts.{name}", "reason": reason})
    result: dict[str, Any] = {"task": task, "classes": list(classes)}
    if task != "regression":
        result["output"] = output or "probability"
    if task == "binary":
        result["threshold"] = threshold
    result["parts"] = {name: _part(task, classes, part, usable[name], threshold) for name, part in parts.items()}
    if result.get("output") == "decision":
        for block in result["parts"].values():
            for kind in ("unweighted", "weighted"):
                del block[kind]["loss"]
    if task == "binary" and any(part.weighted for part in parts.values()):
        result["ams"] = _ams(usable, ams_threshold, totals, replicas, seed)
    elif task == "binary":
        undefined.append({"what": "ams", "reason": _RAW_COUNTS})
    if "train" in usable and "test" in usable:
        result["ks"] = _ks(task, classes, usable["train"], usable["test"])
    clean: dict[str, Any] = _clean(result, "", undefined)
    clean["undefined"] = undefined
    return clean


def _part(task: Task, classes: Sequence[str], part: Scored, usable: Scored, threshold: float) -> dict[str, Any]:
    block: dict[str, Any] = {"events": len(part), "sum_of_weights": part.sum_of_weights}
    if task != "regression":
        block["classes"] = {
            name: dict(zip(("events", "sum_of_weights"), part.of_class(index), strict=True))
            for index, name in enumerate(classes)
        }
    if isinstance(usable, Grouped):
        block["groups"] = {"number": len(np.unique(usable.column().score))}
    for kind, weighted in (("unweighted", False), ("weighted", True)):
        block[kind] = _figures(task, classes, usable, threshold, weighted=weighted)
    return block


def _figures(task: Task, classes: Sequence[str], part: Scored, threshold: float, *, weighted: bool) -> dict[str, Any]:
    if task == "regression":
        return part.regression(weighted=weighted)
    matrix = part.confusion(len(classes), threshold, weighted=weighted)
    total = float(matrix.sum())
    figures: dict[str, Any] = {
        "loss": part.loss(weighted=weighted),
        "accuracy": float(np.trace(matrix)) / total if total > 0.0 else math.nan,
    }
    if task == "binary":
        figures |= _auc(part.column(), weighted=weighted)
    else:
        areas = [_auc(part.column(k).against_rest(k), weighted=weighted) for k in range(len(classes))]
        figures["auc"] = float(np.mean([area["auc"] for area in areas])) if areas else math.nan
        figures["auc_per_class"] = dict(zip(classes, areas, strict=True))
    figures["confusion"] = matrix.tolist()
    figures["classes"] = dict(zip(classes, classification.class_report(matrix), strict=True))
    return figures


def _auc(column: Column, *, weighted: bool) -> dict[str, float]:
    """The area, its statistical error where there is one, and for groups the most that they can change it."""
    rows = column if weighted else column.unweighted()
    found = {"auc": roc_auc(rows.y, rows.score, rows.weight)}
    error = auc_error(rows)
    if math.isfinite(within("auc", found["auc"])) and math.isfinite(error):
        found["auc_error"] = error
    if rows.grouped:
        found["auc_grouping"] = auc_grouping(rows)
    return found


def _ams(
    parts: Mapping[str, Scored], given: float | None, totals: Sequence[float] | None, replicas: int, seed: int
) -> dict[str, Any]:
    columns = {name: part.column() for name, part in parts.items()}

    def sums(column: Column) -> Floats:
        return np.array([column.weight[column.y == index].sum() for index in (0, 1)])

    full = [float(total) for total in (totals if totals is not None else sum(map(sums, columns.values()), np.zeros(2)))]
    block: dict[str, Any] = {"b_r": significance.B_R, "totals": full, "threshold": math.nan, "chosen_on": "given"}
    if given is not None:
        block["threshold"] = float(given)
    elif "validation" in columns:
        column = columns["validation"]
        scale = significance.class_scales(column.y, column.weight, full)
        minimum = significance.MINIMUM_BACKGROUND
        block["minimum_background"] = minimum
        best = significance.best_threshold(column, scale=scale, minimum_background=minimum)
        block["threshold"], block["chosen_value"] = best
        block["chosen_on"] = "validation"
    else:
        block["chosen_on"] = None
    name = next((name for name in ("test", "data") if name in columns), None) or list(columns)[-1]
    column, cut = columns[name], block["threshold"]
    block |= {"evaluated_on": name, "value": math.nan, "error": math.nan, "replicas": replicas}
    if math.isfinite(cut):
        scale = significance.class_scales(column.y, column.weight, full)
        signal, background = significance.selected_sums(column.y, column.score, column.weight, cut, scale)
        block |= {"signal": signal, "background": background, "value": float(significance.ams(signal, background))}
        block["error"] = significance.bootstrap_error(column, cut, scale=scale, replicas=replicas, seed=seed)
    return block


def _ks(task: Task, classes: Sequence[str], train: Scored, test: Scored) -> dict[str, Any]:
    if task == "regression":
        return {"residual": _ks_of(train.residuals(), test.residuals())}
    result = {}
    for index, name in enumerate(classes):
        columns = (part.column(0 if task == "binary" else index) for part in (train, test))
        one, two = (column.where(column.y == index) for column in columns)
        result[name] = _ks_of(one, two)
    return result


def _ks_of(one: Column, two: Column) -> dict[str, float]:
    squares = (one.squares, two.squares)
    distance, p_value = ks_test(one.score, two.score, one.weight, two.weight, squares=squares)
    return {"distance": distance, "p_value": p_value}


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
