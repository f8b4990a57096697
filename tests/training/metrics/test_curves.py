"""ROC, AUC, efficiency and purity against scikit-learn and against pairs and loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from mlaas4hep.training.metrics import curves


def sample(
    events: int, seed: int, digits: int = 2
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]:
    """Labels, scores with ties, positive weights."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, events)
    score = np.round(rng.normal(0.4 + 0.2 * y, 0.2), digits).astype(np.float32)
    return y, score[:, None], rng.uniform(0.1, 3.0, events)


def by_pairs(y: NDArray[np.int64], score: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    total, good = 0.0, 0.0
    for i in np.flatnonzero(y == 1):
        for j in np.flatnonzero(y == 0):
            pair = weight[i] * weight[j]
            total += pair
            good += pair * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    return good / total


@pytest.mark.parametrize("seed", range(3))
def test_auc_equals_sklearn_for_positive_weights(seed: int) -> None:
    y, score, weight = sample(500, seed)
    assert curves.roc_auc(y, score, weight) == pytest.approx(roc_auc_score(y, score, sample_weight=weight), abs=1e-12)
    assert curves.roc_auc(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)


def test_curve_equals_sklearn() -> None:
    y, score, weight = sample(300, 5)
    fpr, tpr, thresholds = roc_curve(y, score[:, 0], sample_weight=weight, drop_intermediate=False)
    ours = curves.roc_curve(y, score, weight)
    np.testing.assert_allclose(ours.fpr, fpr, atol=1e-12)
    np.testing.assert_allclose(ours.tpr, tpr, atol=1e-12)
    np.testing.assert_allclose(ours.thresholds, thresholds, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_auc_equals_all_pairs_with_weights_of_any_sign(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 25))
    y = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, 1)))
    score = data.draw(hnp.arrays(np.float64, n, elements=st.integers(0, 6).map(lambda k: k / 6)))
    weight = data.draw(hnp.arrays(np.float64, n, elements=st.integers(-4, 8).map(lambda k: k / 4)))
    if min(weight[y == 1].sum(), weight[y == 0].sum()) <= 0.0:
        assert np.isnan(curves.roc_auc(y, score, weight))
    else:
        assert curves.roc_auc(y, score, weight) == pytest.approx(by_pairs(y, score, weight), rel=1e-9, abs=1e-9)


def test_one_class_only_is_undefined() -> None:
    assert np.isnan(curves.roc_auc([1, 1], [0.1, 0.2]))
    assert np.isnan(curves.roc_auc([], []))


def test_efficiency_and_purity_against_loops() -> None:
    y, score, weight = sample(200, 7, digits=1)
    weight[::7] *= -1.0
    curve = curves.efficiency_purity(y, score, weight)
    assert list(curve.thresholds) == sorted(set(score[:, 0].astype(np.float64)))
    for threshold, efficiency, purity in zip(curve.thresholds, curve.efficiency, curve.purity, strict=True):
        keep = score[:, 0] >= np.float32(threshold)
        signal, selected = weight[keep & (y == 1)].sum(), weight[keep].sum()
        assert efficiency == pytest.approx(signal / weight[y == 1].sum())
        assert purity == pytest.approx(signal / selected) if selected > 0 else np.isnan(purity)


@pytest.mark.parametrize(
    ("y", "score", "weight", "message"),
    [
        ([[0, 1]], [0.1], None, r"labels have shape \(1, 2\)"),
        ([0, 1], [0.1], None, r"scores have shape \(1,\), must be \(2,\)"),
        ([0, 1], [0.1, 0.2], [1.0], r"weights have shape \(1,\), must be \(2,\)"),
    ],
)
def test_wrong_shapes(y: list[int], score: list[float], weight: list[float] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        curves.roc_auc(y, score, weight)
