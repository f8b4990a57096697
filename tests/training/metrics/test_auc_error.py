"""The error of an AUC against DeLong's formula in plain loops, and against repeated experiments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlaas4hep.training.metrics.auc_error import auc_error
from mlaas4hep.training.metrics.parts import Column


def experiment(rng: np.random.Generator, events: int) -> Column:
    y = rng.integers(0, 2, events)
    score = (rng.normal(size=events) + 1.2 * y).round(1)
    return Column.of(y, score, rng.exponential(1.0, events) * np.where(y == 1, 0.1, 3.0))


def test_without_weights_it_is_delong() -> None:
    column = experiment(np.random.default_rng(1), 150).unweighted()
    signal, background = column.score[column.y == 1], column.score[column.y == 0]
    better = [[(s > b) + 0.5 * (s == b) for b in background] for s in signal]
    variance = np.var(np.mean(better, axis=1), ddof=1) / len(signal)
    variance += np.var(np.mean(better, axis=0), ddof=1) / len(background)
    assert auc_error(column) == pytest.approx(math.sqrt(variance))


def test_it_is_the_spread_of_repeated_experiments_with_weights() -> None:
    rng = np.random.default_rng(2)
    columns = [experiment(rng, 400) for _ in range(400)]
    areas = [roc_auc_score(c.y, c.score, sample_weight=c.weight) for c in columns]
    assert np.mean([auc_error(c) for c in columns]) == pytest.approx(np.std(areas), rel=0.12)


def test_one_event_of_a_class_says_nothing() -> None:
    column = Column.of(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]), np.ones(3))
    assert math.isnan(auc_error(column))
    assert math.isnan(auc_error(column.where(column.y == 0)))
