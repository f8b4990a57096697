"""Training weights: their sums, the balance of classes, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.config import Split
from mlaas4hep.errors import NoEventsError, SplitError, WeightError
from mlaas4hep.streaming.scan.result import ClassCount
from mlaas4hep.training.events.labels import Labelling, labelling
from mlaas4hep.training.events.weighting import ClassTotals, class_totals, training_weights


def counted(events: dict[Hashable, list[tuple[int, float]]]) -> dict[Hashable, ClassCount]:
    """Counts from (part, weight) of each event, by label."""
    found: dict[Hashable, ClassCount] = {}
    for label, pairs in events.items():
        count = found.setdefault(label, ClassCount())
        count.add(np.array([part for part, _ in pairs], dtype=np.int8), np.array([weight for _, weight in pairs]))
    return found


BINARY = labelling([0, 1], None, None)
EVENTS: dict[Hashable, list[tuple[int, float]]] = {
    0: [(0, 0.5), (0, 1.5), (0, 2.0), (1, 0.7), (2, -0.1), (2, 3.0)],
    1: [(0, 0.25), (1, 0.5), (2, 0.1)],
}


def test_totals() -> None:
    totals = class_totals(counted(EVENTS), BINARY, Split())
    assert totals.events.tolist() == [[3, 1, 2], [1, 1, 1]]
    np.testing.assert_array_equal(totals.weights, [[4.0, 0.7, math.fsum([-0.1, 3.0])], [0.25, 0.5, 0.1]])


def test_labels_of_one_class_are_counted_together() -> None:
    events: dict[Hashable, list[tuple[int, float]]] = {"1": EVENTS[1], 1: EVENTS[1], "b": EVENTS[0]}
    totals = class_totals(counted(events), labelling(list(events), None, None), Split())
    assert totals.events.tolist() == [[3, 1, 2], [2, 2, 2]]
    assert totals.weights[1, 0] == 0.5


def test_regression_has_one_row() -> None:
    totals = class_totals(counted({None: EVENTS[0]}), Labelling("regression", ()), Split())
    assert totals.events.tolist() == [[3, 1, 2]]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ({0: EVENTS[0], 1: [(1, 1.0), (2, 1.0)]}, "class 1 has no event for train"),
        ({0: EVENTS[0], 1: [(0, 1.0), (2, 1.0)]}, "class 1 has no event for validation"),
        ({0: [(0, 1.0), (1, 1.0)], 1: EVENTS[1]}, "class 0 has no event for test"),
    ],
)
def test_a_class_without_events_in_a_part(events: dict[Hashable, list[tuple[int, float]]], message: str) -> None:
    with pytest.raises(SplitError, match=f"{message}; use more events"):
        class_totals(counted(events), BINARY, Split())


def test_a_class_without_any_event() -> None:
    with pytest.raises(NoEventsError, match="no event of class 1 is left after the cuts"):
        class_totals(counted({0: EVENTS[0], 1: []}), BINARY, Split())


def test_a_part_that_holds_no_event_at_all() -> None:
    events: dict[Hashable, list[tuple[int, float]]] = {0: [(0, 1.0), (1, 1.0)], 1: [(0, 1.0), (1, 1.0)]}
    assert class_totals(counted(events), BINARY, Split(test=0.0)).events[:, 2].tolist() == [0, 0]
    with pytest.raises(SplitError, match="class 0 has no event for test"):
        class_totals(counted(events), BINARY, Split())
    with pytest.raises(SplitError, match="the data has no event for train"):
        class_totals(counted({None: [(1, 1.0)]}), Labelling("regression", ()), Split())


def totals_of(train: list[list[float]]) -> ClassTotals:
    """Totals of weights of the training events of each class."""
    events = np.array([[len(weights), 0, 0] for weights in train])
    return ClassTotals(events, np.array([[math.fsum(weights), 0.0, 0.0] for weights in train]))


WEIGHTS = st.lists(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=20), min_size=2, max_size=4)


@given(WEIGHTS)
def test_balanced_classes_have_the_same_sum_and_the_mean_is_one(train: list[list[float]]) -> None:
    labels = Labelling("multiclass", tuple(range(len(train))))
    found = training_weights(labels, totals_of(train), used=True)
    assert (found.used, found.balanced, found.trivial) == (True, True, False)
    sums = [math.fsum(found.of(np.full(len(w), i), np.array(w)).tolist()) for i, w in enumerate(train)]
    events = sum(map(len, train))
    np.testing.assert_allclose(sums, events / len(train), rtol=1e-5)


@given(WEIGHTS)
def test_weights_without_balance_keep_their_proportions(train: list[list[float]]) -> None:
    labels = Labelling("multiclass", tuple(range(len(train))))
    found = training_weights(labels, totals_of(train), used=True, balance=False)
    assert (found.used, found.balanced) == (True, False)
    flat = np.array([w for weights in train for w in weights])
    y = np.array([i for i, weights in enumerate(train) for _ in weights])
    mine = found.of(y, flat)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine, flat * len(flat) / math.fsum(flat.tolist()), rtol=1e-5)


def test_balance_without_weights() -> None:
    found = training_weights(BINARY, totals_of([[1.0] * 30, [1.0] * 10]), used=False, balance=True)
    assert (found.used, found.balanced, found.trivial) == (False, True, False)
    np.testing.assert_allclose(found.of(np.array([0, 1]), np.ones(2)), [40 / 60, 2.0])


def test_no_weights_are_ones() -> None:
    found = training_weights(BINARY, totals_of([[1.0] * 3, [1.0] * 5]), used=False)
    assert found.trivial
    np.testing.assert_array_equal(found.of(np.array([0, 1]), np.ones(2)), [1.0, 1.0])


def test_weights_are_balanced_unless_told_otherwise() -> None:
    found = training_weights(BINARY, totals_of([[1.0] * 4, [0.5] * 4]), used=True)
    assert (found.used, found.balanced) == (True, True)
    np.testing.assert_allclose(found.of(np.array([0, 1]), np.array([1.0, 0.5])), [1.0, 1.0])


def test_regression_is_never_balanced() -> None:
    found = training_weights(Labelling("regression", ()), totals_of([[1.0, 2.0, 3.0]]), used=True, balance=True)
    assert not found.balanced
    np.testing.assert_allclose(found.of(np.array([0.5, 7.0]), np.array([1.0, 3.0])), [0.5, 1.5])


@pytest.mark.parametrize(
    ("labels", "train", "message"),
    [
        (BINARY, [[1.0, -1.0], [1.0]], "the training weights of class 0 sum to 0"),
        (BINARY, [[1.0], [1.0, -3.0]], "the training weights of class 1 sum to -2"),
        (Labelling("regression", ()), [[-1.0]], "the training weights of all events sum to -1"),
    ],
)
def test_weights_that_sum_to_nothing(labels: Labelling, train: list[list[float]], message: str) -> None:
    with pytest.raises(WeightError, match=message):
        training_weights(labels, totals_of(train), used=True)
