"""Classification figures against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from mlaas4hep.training.metrics import classification


@given(st.integers(2, 5), st.integers(5, 60), st.integers(0, 1000), st.booleans())
def test_against_sklearn(classes: int, events: int, seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, events)
    full = rng.dirichlet(np.ones(classes), events)
    scores = (full[:, 1:] if classes == 2 else full).astype(np.float32)
    weight = rng.uniform(0.1, 4.0, events) if weighted else None
    names = list(range(classes))
    predicted = classification.predicted_classes(scores, 0.4)
    np.testing.assert_array_equal(predicted, scores[:, 0] >= 0.4 if classes == 2 else scores.argmax(axis=1))
    proba = classification.probabilities(scores)
    proba /= proba.sum(axis=1, keepdims=True)
    expected = sk.log_loss(y, proba, sample_weight=weight, labels=names)
    assert classification.log_loss(y, scores, weight) == pytest.approx(expected, rel=1e-5)
    expected = sk.accuracy_score(y, predicted, sample_weight=weight)
    assert classification.accuracy(y, predicted, weight) == pytest.approx(expected)
    matrix = classification.confusion_matrix(y, predicted, classes, weight)
    np.testing.assert_allclose(matrix, sk.confusion_matrix(y, predicted, labels=names, sample_weight=weight))
    purity, efficiency, f1, support = sk.precision_recall_fscore_support(
        y, predicted, labels=names, sample_weight=weight, zero_division=np.nan
    )
    for index, row in enumerate(classification.class_report(matrix)):
        ours = [row["purity"], row["efficiency"], row["f1"], row["support"]]
        np.testing.assert_allclose(ours, [purity[index], efficiency[index], f1[index], support[index]], rtol=1e-9)


def test_certain_and_wrong_is_finite() -> None:
    loss = classification.log_loss([0], [[1.0]])
    assert loss == pytest.approx(-np.log(np.finfo(np.float32).eps), rel=1e-6)


def test_weights_that_cancel_are_undefined() -> None:
    assert np.isnan(classification.log_loss([0, 1], [[0.5], [0.5]], [1.0, -1.0]))
    assert np.isnan(classification.accuracy([0, 1], [0, 1], [1.0, -2.0]))


def test_confusion_with_negative_weights() -> None:
    matrix = classification.confusion_matrix([0, 0, 1], [0, 1, 1], 2, [2.0, -0.5, 1.0])
    assert matrix.tolist() == [[2.0, -0.5], [0.0, 1.0]]
    report = classification.class_report(matrix)
    assert report[1]["purity"] == pytest.approx(2.0)
    assert report[0]["efficiency"] == pytest.approx(2.0 / 1.5)
