"""Loss, accuracy, confusion matrix and the report of each class, with or without weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlaas4hep.training.metrics._arrays import Floats, flat_scores, labels, weights

__all__ = [
    "accuracy",
    "class_report",
    "confusion_matrix",
    "log_loss",
    "log_losses",
    "predicted_classes",
    "probabilities",
]

_EPSILON = float(np.finfo(np.float32).eps)


def probabilities(scores: ArrayLike) -> Floats:
    """Probability of every class.

    Args:
        scores: binary [N] or [N, 1], probability of class 1; multiclass [N, C].

    Returns:
        float64 [N, 2] or [N, C].
    """
    array: NDArray[Any] = np.asarray(scores)
    if array.ndim == 2 and array.shape[1] > 1:
        return array.astype(np.float64)
    signal = flat_scores(array, len(array))
    return np.stack([1.0 - signal, signal], axis=1)


def predicted_classes(scores: ArrayLike, threshold: float = 0.5) -> NDArray[np.int64]:
    """Return the class each event is counted as.

    Args:
        scores: binary [N] or [N, 1]; multiclass [N, C].
        threshold: binary: an event is signal if ``score >= threshold``; multiclass: the largest score decides.

    Returns:
        int64 [N].
    """
    array: NDArray[Any] = np.asarray(scores)
    if array.ndim == 2 and array.shape[1] > 1:
        return np.asarray(array.argmax(axis=1), dtype=np.int64)
    return np.asarray(flat_scores(array, len(array)) >= threshold, dtype=np.int64)


def log_loss(y: ArrayLike, scores: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean of ``-ln p(true class)``, weighted (binary and categorical cross-entropy).

    Args:
        y: class indices [N].
        scores: binary [N] or [N, 1]; multiclass [N, C]. Probabilities are kept 1.2e-7 (the resolution of float32) away
            from 0 and 1, and the classes of an event are normalised to 1.
        weight: [N], any sign; None: 1 for every event.

    Returns:
        The loss; NaN if the weights do not sum to more than 0.
    """
    losses = log_losses(y, scores)
    return _mean(losses, weights(weight, len(losses)))


def log_losses(y: ArrayLike, scores: ArrayLike) -> Floats:
    """``-ln p(true class)`` of each event, float64 [N]; see `log_loss`."""
    truth = labels(y)
    matrix = np.clip(probabilities(scores), _EPSILON, 1.0 - _EPSILON)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return np.asarray(-np.log(matrix[np.arange(len(truth)), truth]), dtype=np.float64)


def accuracy(y: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Share of the weights of correctly classified events; NaN if the weights do not sum to more than 0."""
    truth = labels(y)
    return _mean((truth == labels(predicted)).astype(np.float64), weights(weight, len(truth)))


def _mean(values: Floats, weight: Floats) -> float:
    total = float(weight.sum())
    return float((values * weight).sum()) / total if total > 0.0 else float("nan")


def confusion_matrix(y: ArrayLike, predicted: ArrayLike, classes: int, weight: ArrayLike | None = None) -> Floats:
    """Sums of weights by true class (rows) and predicted class (columns), float64 [C, C]."""
    truth = labels(y)
    cell = truth * classes + labels(predicted)
    sums = np.bincount(cell, weights=weights(weight, len(truth)), minlength=classes * classes)
    return np.asarray(sums, dtype=np.float64).reshape(classes, classes)


def class_report(matrix: ArrayLike) -> list[dict[str, float]]:
    """Return figures of each class from a confusion matrix.

    Args:
        matrix: [C, C] sums of weights, rows true, columns predicted (see `confusion_matrix`).

    Returns:
        One dict a class: ``purity`` (precision), ``efficiency`` (recall), ``f1`` (their harmonic mean) and ``support``
        (sum of weights of the true class). A figure is NaN where its denominator is not positive.
    """
    table = np.asarray(matrix, dtype=np.float64)
    rows = []
    for index in range(len(table)):
        correct, true, taken = float(table[index, index]), float(table[index].sum()), float(table[:, index].sum())
        rows.append(
            {
                "purity": _ratio(correct, taken),
                "efficiency": _ratio(correct, true),
                "f1": _ratio(2.0 * correct, true + taken),
                "support": true,
            }
        )
    return rows


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0.0 else float("nan")
