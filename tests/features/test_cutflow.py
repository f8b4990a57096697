"""Cutflows: cumulative counts and weights, whatever the chunks."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors import BundleError, WeightError
from mlaas4hep.features.cutflow import Cutflow, render, total

NAMES = ("a > 1", "b < 2")
PASSING = np.array([[True, True, False, True], [True, False, True, True]])
WEIGHTS = np.array([0.5, 1.5, 2.0, -0.25])


def test_cumulative() -> None:
    cutflow = Cutflow.of(NAMES, PASSING, WEIGHTS)
    assert cutflow.events == (4, 3, 2)
    assert [weight.value() for weight in cutflow.weights] == [3.75, 1.75, 0.25]


def test_table() -> None:
    rows = Cutflow.of(NAMES, PASSING, WEIGHTS).table()
    assert [row.name for row in rows] == ["all events", *NAMES]
    assert [row.events for row in rows] == [4, 3, 2]
    assert [row.fraction for row in rows] == [1.0, 0.75, 0.5]
    assert [row.weighted for row in rows] == [3.75, 1.75, 0.25]
    assert [row.weighted_fraction for row in rows] == [1.0, 1.75 / 3.75, 0.25 / 3.75]


def test_without_weights_every_event_counts_one() -> None:
    cutflow = Cutflow.of(NAMES, PASSING)
    assert [weight.value() for weight in cutflow.weights] == [4.0, 3.0, 2.0]
    assert cutflow == Cutflow.of(NAMES, PASSING, np.ones(4))


def test_without_cuts() -> None:
    assert Cutflow.of((), np.empty((0, 4), np.bool_), WEIGHTS).events == (4,)
    assert Cutflow.of((), np.empty((0, 0), np.bool_), WEIGHTS).events == (4,)
    assert Cutflow.of((), np.empty((0, 4), np.bool_)).events == (4,)


def test_no_events() -> None:
    empty = Cutflow.empty(NAMES)
    assert empty == Cutflow.of(NAMES, np.empty((2, 0), np.bool_), np.empty(0))
    assert [(row.events, row.fraction, row.weighted_fraction) for row in empty.table()] == [(0, None, None)] * 3
    full = Cutflow.of(NAMES, PASSING, WEIGHTS)
    assert full.merge(empty) == empty.merge(full) == full


weights = st.floats(min_value=-1e10, max_value=1e10, width=32)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), weights), max_size=30), st.integers(1, 10))
def test_chunks_do_not_matter(events: list[tuple[bool, bool, float]], size: int) -> None:
    passing = np.array([event[:2] for event in events], np.bool_).reshape(-1, 2).T
    weight = np.array([event[2] for event in events])
    whole = Cutflow.of(NAMES, passing, weight)
    merged = Cutflow.empty(NAMES)
    for start in reversed(range(0, len(events), size)):
        merged = merged.merge(Cutflow.of(NAMES, passing[:, start : start + size], weight[start : start + size]))
    assert merged == whole
    assert json.dumps(merged.to_json()) == json.dumps(whole.to_json())
    left = [event[2] for event in events if event[0] and event[1]]
    assert whole.events[-1] == len(left)
    assert whole.weights[-1].value() == math.fsum(left)


def test_total() -> None:
    part = Cutflow.of(NAMES, PASSING, WEIGHTS)
    assert total({"x.root": part.merge(part), "y.root": part}) == part.merge(part).merge(part)


def test_json() -> None:
    cutflow = Cutflow.of(NAMES, PASSING, WEIGHTS)
    data = json.loads(json.dumps(cutflow.to_json()))
    assert data["weights"] == [3.75, 1.75, 0.25]
    assert Cutflow.from_json(data) == cutflow


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, r"not a cutflow \('names'\)"),
        ({"names": [], "events": [1], "exact_weights": ["x"]}, r"not a cutflow \(not an exact sum: 'x'\)"),
        ({"names": 3}, "not a cutflow"),
        ({"names": ["a"], "events": [1], "exact_weights": ["0x1p0"]}, "of 1 cuts has 1 counts and 1 weights"),
    ],
)
def test_bad_json(data: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Cutflow.from_json(data)


def test_render_one() -> None:
    assert render({"x.root": Cutflow.of(NAMES, PASSING, WEIGHTS)}) == (
        "              events  fraction  weighted  fraction\n"
        "x.root\n"
        "  all events       4  100.00 %      3.75  100.00 %\n"
        "  a > 1            3   75.00 %      1.75   46.67 %\n"
        "  b < 2            2   50.00 %      0.25    6.67 %\n"
    )


def test_render_several_with_total() -> None:
    part = Cutflow.of(("a >\n 1",), np.array([[True, False]]))
    lines = render({"x.root": part, "y.root": Cutflow.empty(("a >\n 1",))}).splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["x.root", "y.root", "total"]
    assert lines[2:4] == [
        "  all events       2  100.00 %         2  100.00 %",
        "  a > 1            1   50.00 %         1   50.00 %",
    ]
    assert lines[6].split() == ["a", ">", "1", "0", "-", "0", "-"]


def test_render_nothing() -> None:
    assert render({}).count("\n") == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_weight(bad: float) -> None:
    with pytest.raises(WeightError, match=f"the weight of event 2 of the chunk is {bad}"):
        Cutflow.of(NAMES, PASSING, np.array([1.0, 1.0, bad, 1.0]))


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="1 names for 2 cuts"):
        Cutflow.of(("a",), PASSING)
    with pytest.raises(ValueError, match="cutflows of different cuts"):
        Cutflow.empty(("a",)).merge(Cutflow.empty(("b",)))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(-1e300, 1e300)), max_size=30))
def test_state(events: list[tuple[bool, bool, float]]) -> None:
    passing = np.array([event[:2] for event in events], np.bool_).reshape(-1, 2).T
    cutflow = Cutflow.of(NAMES, passing, np.array([event[2] for event in events]))
    state = json.loads(json.dumps(cutflow.to_state()))
    assert Cutflow.from_state(state) == cutflow
    assert Cutflow.from_state(state).to_state() == state


@pytest.mark.parametrize(
    "changes",
    [
        {"names": "ab"},
        {"names": ["a", 1]},
        {"names": ["a"]},
        {"events": [4, 3]},
        {"events": [4, 3, -1]},
        {"events": [4, 3, 3.0]},
        {"events": [4, True, 0]},
        {"events": [3, 4, 4]},
        {"events": None},
        {"weights": ["0x1p0", "0x1p0"]},
        {"weights": ["0x1p0", "0x1p0", "1"]},
        {"weights": [1.0, 1.0, 1.0]},
        {"more": 1},
    ],
)
def test_bad_state(changes: dict[str, object]) -> None:
    state = Cutflow.of(NAMES, PASSING, WEIGHTS).to_state()
    with pytest.raises(ValueError, match=r"not the state of a cutflow|not an exact sum"):
        Cutflow.from_state({**state, **changes})
    for name in state:
        with pytest.raises(ValueError, match="not the state of a cutflow"):
            Cutflow.from_state({key: value for key, value in state.items() if key != name})
    with pytest.raises(ValueError, match="not the state of a cutflow"):
        Cutflow.from_state([state])
