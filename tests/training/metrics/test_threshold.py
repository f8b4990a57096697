"""A threshold selects the same events however it is printed, read and compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.training.judging.text import exact
from mlaas4hep.training.metrics.ams import best_threshold
from mlaas4hep.training.metrics.parts import Column
from mlaas4hep.training.metrics.threshold import threshold_below

Single = st.floats(
    width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**99), max_value=2.0**99, allow_subnormal=False
)


@given(Single, Single)
def test_selects_the_same_events_in_any_precision(first: float, second: float) -> None:
    lower, score = sorted((first, second))
    if lower == score:
        return
    cut = float(exact(threshold_below(score, lower)))
    scores = np.array([lower, score], dtype=np.float32)
    for values, limit in ((scores, np.float32(cut)), (scores.astype(np.float64), cut), (scores, cut)):
        assert (values >= limit).tolist() == [False, True]


@given(Single)
def test_all_events_are_selected_where_nothing_lies_below(score: float) -> None:
    cut = threshold_below(score)
    assert np.float32(cut) <= np.float32(score)
    assert cut <= score


@pytest.mark.parametrize("noise", [-1e-5, 1e-5])
def test_a_chosen_threshold_stays_away_from_the_scores(noise: float) -> None:
    y = np.array([0, 0, 1, 1])
    score = np.array([0.1, 0.2, 0.7, 0.9], dtype=np.float32)
    threshold, _ = best_threshold(Column.of(y, score, np.ones(4)))
    assert ((score + noise) >= threshold).tolist() == (score >= threshold).tolist() == [False, False, True, True]
    assert exact(threshold) == "0.4"
