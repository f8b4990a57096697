"""Events to feature rows: the same bits as training's code, whatever form the events come in; clear errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlaas4hep.bundle import Input, load_bundle
from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.layout import FeatureBranch
from mlaas4hep.features.matrix import raw_matrix
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.inference.events.featuriser import Featuriser
from tests.support.serving import make_bundle

FLAT = ("met", "charge")
LISTS = {"Jet_pt": 3, "Jet_eta": 2}
STEPS = (
    {"variable": "ht", "expression": "sum(Jet_pt[abs(Jet_eta) < 60])", "kind": "flat"},
    {"variable": "scaled", "expression": "Jet_pt / met", "kind": "jagged"},
    {"variable": "tag", "expression": "charge > 0 and len(Jet_pt) > extra", "kind": "flat"},
)
EXTRA = (Input(name="extra", kind="flat", dtype="int32"), Input(name="only_cuts", kind="flat", selection_only=True))
DTYPES = {"charge": "int32", "Jet_pt": "float32", "Jet_eta": "float64"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Featuriser:
    """Branches alone."""
    path = make_bundle(tmp_path_factory.mktemp("b") / "plain", flat=FLAT, jagged=LISTS, dtypes=DTYPES)
    return Featuriser(load_bundle(path))


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Featuriser:
    """With variables, flat and jagged."""
    path = make_bundle(
        tmp_path_factory.mktemp("b") / "computed",
        flat=(*FLAT, "ht", "tag"),
        jagged={**LISTS, "scaled": 2},
        variables=STEPS,
        cuts=({"cut": "c", "expression": "only_cuts > 1"},),
        further=EXTRA,
        dtypes=DTYPES,
    )
    return Featuriser(load_bundle(path))


def features(flat: Sequence[str], jagged: Mapping[str, int]) -> list[FeatureBranch]:
    """The columns of a bundle, in order."""
    kinds = [(name, "flat", 1) for name in flat] + [(name, "jagged", length) for name, length in jagged.items()]
    return [FeatureBranch(name, kind, length, 0.0, 1.0, 0.0, 0.0) for name, kind, length in kinds]  # type: ignore[arg-type]


float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
float64 = st.floats(-1e30, 1e30)


@st.composite
def events(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for _ in range(draw(st.integers(1, 20))):
        jets = draw(st.integers(0, 6))
        found.append(
            {
                "met": draw(float32 | st.none() | st.integers(-1000, 1000)),
                "charge": draw(st.integers(-(2**31), 2**31 - 1)),
                "Jet_pt": draw(st.lists(float32, min_size=jets, max_size=jets)),
                "Jet_eta": draw(st.lists(float64, min_size=jets, max_size=jets)),
            }
        )
    return found


def as_columns(rows: list[dict[str, Any]], *names: str) -> dict[str, Column]:
    """The events as training reads them from a file."""
    number: Callable[[Any], float] = lambda value: math.nan if value is None else value  # noqa: E731
    made: dict[str, Column] = {
        "met": np.array([number(row["met"]) for row in rows], np.float32),
        "charge": np.array([row["charge"] for row in rows], np.int32),
        "Jet_pt": Jagged.from_lists([row["Jet_pt"] for row in rows], np.float32),
        "Jet_eta": Jagged.from_lists([row["Jet_eta"] for row in rows], np.float64),
    }
    for name in names:
        made[name] = np.array([row[name] for row in rows], np.int32)
    return made


def assert_same_bits(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    assert found.dtype == expected.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    there = ~np.isnan(expected)
    np.testing.assert_array_equal(found[there].view(np.uint32), expected[there].view(np.uint32))


def every_form(physics: Featuriser, rows: list[dict[str, Any]]) -> list[NDArray[np.float32]]:
    """The same events in every form there is."""
    columns = {name: [row[name] for row in rows] for name in physics.branches}
    turned = [dict(reversed(row.items())) for row in rows]
    singles = [physics.records([row]) for row in rows]
    pairs = [physics.keys_values(list(row), list(row.values())) for row in turned]
    return [
        physics.records(rows),
        physics.records(turned),
        physics.columns(columns),
        *map(np.concatenate, (singles, pairs)),
    ]


@given(rows=events())
@settings(max_examples=60)
def test_branches_alone(plain: Featuriser, rows: list[dict[str, Any]]) -> None:
    expected = raw_matrix(as_columns(rows), features(FLAT, LISTS), len(rows))
    for found in every_form(plain, rows):
        assert_same_bits(found, expected)


@given(rows=events())
@settings(max_examples=60)
def test_variables(computed: Featuriser, rows: list[dict[str, Any]]) -> None:
    given_rows = [row | {"extra": index % 3} for index, row in enumerate(rows)]
    columns = as_columns(given_rows, "extra")
    wanted = ["met", "charge", "ht", "tag", "Jet_pt", "Jet_eta", "scaled"]
    made = Preprocessing.from_json(list(STEPS)).compute(columns, wanted, len(rows))
    expected = raw_matrix(made, features((*FLAT, "ht", "tag"), {**LISTS, "scaled": 2}), len(rows))
    for found in every_form(computed, given_rows):
        assert_same_bits(found, expected)


@given(rows=events())
@settings(max_examples=20)
def test_arrays_padded_with_nan(plain: Featuriser, rows: list[dict[str, Any]]) -> None:
    columns = as_columns(rows)
    expected = raw_matrix(columns, features(FLAT, LISTS), len(rows))
    arrays: dict[str, Any] = {}
    for name, column in columns.items():
        if isinstance(column, Jagged):
            width = int(column.counts.max(initial=0))
            padded = np.full((len(rows), width), np.nan, dtype=column.content.dtype)
            for i, entries in enumerate(column.tolist()):
                padded[i, : len(entries)] = entries
            arrays[name] = padded
        else:
            arrays[name] = column if name == "met" else column[:, None]
    assert_same_bits(plain.columns(arrays), expected)
    assert_same_bits(plain.columns({**columns}), expected)


def test_what_has_to_be_given(plain: Featuriser, computed: Featuriser) -> None:
    assert plain.branches == {"met": "flat", "charge": "flat", "Jet_pt": "jagged", "Jet_eta": "jagged"}
    assert plain.optional == {"run", "event"}
    assert computed.branches == {**plain.branches, "extra": "flat"}
    assert computed.optional == {"run", "event", "only_cuts"}


GOOD: dict[str, Any] = {"met": 1.5, "charge": 1, "Jet_pt": [1.0, 2.0], "Jet_eta": [0.5, -0.5]}


def test_what_only_cuts_need_may_be_given(computed: Featuriser) -> None:
    row = {**GOOD, "extra": 1}
    assert_same_bits(computed.records([{**row, "only_cuts": 3, "run": 1, "event": 2}]), computed.records([row]))


def test_feature_columns_as_keys(plain: Featuriser) -> None:
    values = {"Jet_pt[2]": 3.0, "met": 1.0, "charge": 2.0, "Jet_pt[0]": 4.0, "Jet_pt[1]": None, "Jet_eta[0]": 5.0,
              "Jet_eta[1]": 6.0}  # fmt: skip
    found = plain.keys_values(list(values), list(values.values()))
    np.testing.assert_array_equal(found, np.array([[1, 2, 4, np.nan, 3, 5, 6]], np.float32))
    with pytest.raises(BadRequestError, match=r"keys are missing: Jet_eta\[0\], Jet_eta\[1\]$"):
        plain.keys_values(list(values)[:5], list(values.values())[:5])
    with pytest.raises(BadRequestError, match=r"keys are unknown: other$"):
        plain.keys_values([*values, "other"], [*values.values(), 1])


def test_missing_and_unknown_keys_are_named(plain: Featuriser) -> None:
    with pytest.raises(BadRequestError, match=r"^keys are missing: Jet_pt; keys are unknown: jet_pt; did you mean"):
        plain.records([{"met": 1, "charge": 1, "jet_pt": [], "Jet_eta": []}])
    with pytest.raises(BadRequestError, match=r"^event 1: keys are missing: met, Jet_eta$"):
        plain.records([GOOD, {"charge": 1, "Jet_pt": []}])
    with pytest.raises(BadRequestError, match=r"^keys are unknown: k0, k1, .*, k19 \(and 5 more\)$"):
        plain.records([{**GOOD, **{f"k{i}": 1 for i in range(25)}}])
    with pytest.raises(BadRequestError, match=r"^keys are missing: met"):
        plain.columns({})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"met": "1.5"}, "event 0, met: '1.5' where a number is expected"),
        ({"met": "NaN"}, "event 0, met: 'NaN' where a number is expected"),
        ({"met": [1.0]}, "event 0, met: a list where one number is expected"),
        ({"met": {}}, "event 0, met: a JSON object where one number is expected"),
        ({"met": 1e39}, r"event 0, met: 1e\+39 is not within float32"),
        ({"met": 10**400}, "event 0, met: 1000.* is not within float32"),
        ({"Jet_pt": 1.0}, "event 0, Jet_pt: 1.0 where a list is expected"),
        ({"Jet_pt": "12"}, "event 0, Jet_pt: '12' where a list is expected"),
        ({"Jet_pt": [1.0, "2"]}, r"event 0, Jet_pt\[1\]: '2' where a number is expected"),
        ({"Jet_pt": [1.0, [2.0]]}, r"event 0, Jet_pt\[1\]: a list where one number is expected"),
        ({"Jet_pt": [1.0, -1e39]}, r"event 0, Jet_pt\[1\]: -1e\+39 is not within float32"),
        ({"Jet_pt": [1.0, 1.0, 1.0, 1.0, "far behind"]}, r"event 0, Jet_pt\[4\]: 'far behind' where a number"),
    ],
)
def test_values_that_do_not_fit(plain: Featuriser, computed: Featuriser, change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequestError, match=f"^{message}"):
        plain.records([GOOD | change])
    with pytest.raises(BadRequestError, match=f"^{message}"):
        computed.records([GOOD | {"extra": 1} | change])
    many = message.replace("event 0", "event 1")
    with pytest.raises(BadRequestError, match=f"^{many}"):
        plain.records([GOOD, GOOD | change])
    with pytest.raises(BadRequestError, match=f"^{many}"):
        plain.columns({name: [GOOD[name], (GOOD | change)[name]] for name in GOOD})


def test_what_is_missing(plain: Featuriser) -> None:
    row = plain.records([{"met": None, "charge": math.nan, "Jet_pt": None, "Jet_eta": [None, 2.0, 3.0]}])
    np.testing.assert_array_equal(row, np.array([[np.nan] * 6 + [2.0]], np.float32))
    row = plain.records([{"met": math.inf, "charge": True, "Jet_pt": [-math.inf], "Jet_eta": []}])
    np.testing.assert_array_equal(row, np.array([[np.inf, 1, -np.inf] + [np.nan] * 4], np.float32))


def test_lists_that_an_expression_cannot_combine(computed: Featuriser) -> None:
    row = {**GOOD, "extra": 1, "Jet_eta": [1.0]}
    message = "event 0: Jet_pt has 2 values and .* has 1, but .* needs the same"
    with pytest.raises(BadRequestError, match=message):
        computed.records([row])
    with pytest.raises(BadRequestError, match=message.replace("event 0", "event 1")):
        computed.records([{**GOOD, "extra": 1}, row])


@pytest.mark.parametrize(
    ("keys", "values", "message"),
    [
        (["met"], [1, 2], "1 keys and 2 values are given"),
        (["met", "met", "charge", "Jet_pt"], [1, 1, 1, []], "keys are given more than once: met"),
        ([["met"]], [1], "a key is not a string"),
        ([1, 2, 3, 4], [1, 1, [], []], "keys are unknown: 1, 2, 3, 4"),
    ],
)
def test_keys_that_are_none(plain: Featuriser, keys: Any, values: Any, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        plain.keys_values(keys, values)


@pytest.mark.parametrize("events", [[1], ["met"], [None], [GOOD, [1]]])
def test_events_that_are_none(plain: Featuriser, events: Any) -> None:
    with pytest.raises(
        BadRequestError, match=f"event {len(events) - 1}: .* where an object with a value for each branch"
    ):
        plain.records(events)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"met": [1.0]}, "met has 1 events and charge has 2"),
        ({"met": 1.0}, "met: 1.0 where a list with one entry an event is expected"),
        ({"met": "ab"}, "met: 'ab' where a list with one entry an event is expected"),
        ({"met": "abc"}, "met: 'abc' where a list with one entry an event is expected"),
        ({"met": {"a": 1.0}}, "met: a JSON object where a list with one entry an event is expected"),
        ({"met": None}, "met: null where a list with one entry an event is expected"),
        ({"Jet_pt": [True, [1.0]]}, "event 0, Jet_pt: true where a list is expected"),
        ({"met": np.zeros((2, 2))}, r"met: an array of the shape \[2, 2\] where one value an event is expected"),
        ({"Jet_pt": np.zeros((2, 2, 2))}, r"Jet_pt: an array of the shape \[2, 2, 2\] where \[events, length\]"),
        ({"met": np.array(["a", "b"])}, "met: values of the type .* where numbers are expected"),
        ({"met": np.array([1.0, 1e39])}, r"event 1, met: 1e\+39 is not within float32"),
        ({"Jet_pt": np.array([[1.0, 2.0], [1.0, 1e39]])}, r"event 1, Jet_pt\[1\]: 1e\+39 is not within float32"),
    ],
)
def test_columns_that_do_not_fit(plain: Featuriser, change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {name: [value, value] for name, value in GOOD.items()}
    with pytest.raises(BadRequestError, match=f"^{message}"):
        plain.columns(good | change)


def test_no_events(plain: Featuriser) -> None:
    assert plain.records([]).shape == (0, 7)
    assert plain.columns({name: [] for name in GOOD}).shape == (0, 7)


@given(number=st.integers(-(2**64), 2**64) | st.integers(-(2**100), 2**100))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_integers_are_rounded_once(wide: Featuriser, number: int) -> None:
    exact = np.array([number if abs(number) < 2**63 else float(number)])
    expected = exact.astype(np.float32)[0]
    assert wide.records([{"id": number}])[0, 0] == expected
    assert wide.records([{"id": number}] * 20)[7, 0] == expected


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Featuriser:
    """One branch of 64-bit integers."""
    path = make_bundle(tmp_path_factory.mktemp("b") / "wide", flat=("id",), jagged={}, dtypes={"id": "int64"})
    return Featuriser(load_bundle(path))


def test_one_branch_alone(tmp_path: Path) -> None:
    physics = Featuriser(load_bundle(make_bundle(tmp_path / "one", flat=(), jagged={"Jet_pt": 2})))
    physics.warm_up()
    np.testing.assert_array_equal(physics.records([{"Jet_pt": [1, 2, 3]}]), np.array([[1, 2]], np.float32))
