"""Specs of branches: merging, the original's form, JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.config.specs_file import LegacySpecs
from mlaas4hep.features.columns import Column, Columns, Jagged, select
from mlaas4hep.features.statistics.specs import LENGTH_QUANTILES, QUANTILES, Specs, legacy_specs
from tests.support.columns import slice_column

COLUMNS: dict[str, Column] = {
    "met": np.array([10.0, math.nan, -999.0, math.inf, 30.0]),
    "n": np.array([3, 1, 2, 0, -4], dtype=np.int16),
    "ok": np.array([True, False, True, True, True]),
    "jets": Jagged.from_lists([[1.0, 2.0, 4.0], [], [math.nan], [-999.0, 8.0], []]),
    "void": np.full(5, math.nan),
}


def figures(specs: Specs) -> str:
    return json.dumps(specs.to_json())


def test_figures_of_each_branch() -> None:
    found = Specs.of(COLUMNS, 5, [-999.0]).to_json()
    assert found["events"] == 5
    branches = found["branches"]
    assert list(branches) == list(COLUMNS)
    met = branches["met"]
    assert (met["kind"], met["values"], met["missing"], met["infinite"]) == ("flat", 5, 2, 1)
    assert (met["min"], met["max"], met["mean"], met["std"]) == (10.0, 30.0, 20.0, 10.0)
    assert (branches["n"]["min"], branches["n"]["max"], branches["n"]["mean"]) == (-4.0, 3.0, 0.4)
    assert (branches["ok"]["min"], branches["ok"]["max"], branches["ok"]["mean"]) == (0.0, 1.0, 0.8)
    jets = branches["jets"]
    assert (jets["kind"], jets["values"], jets["missing"]) == ("jagged", 6, 2)
    assert jets["mean"] == np.mean([1.0, 2.0, 4.0, 8.0])
    assert jets["length"]["max"] == 3
    assert list(jets["length"]["quantiles"]) == [str(q) for q in LENGTH_QUANTILES]
    assert "length" not in met


def test_a_branch_without_a_value_has_null_figures() -> None:
    void = Specs.of(COLUMNS, 5).to_json()["branches"]["void"]
    assert (void["missing"], void["min"], void["max"], void["mean"], void["std"]) == (5, None, None, None, None)
    assert void["quantiles"] == {str(q): None for q in QUANTILES}


def test_events_of_no_branches() -> None:
    nothing = Specs.of({"x": np.zeros(0), "j": Jagged.from_lists([])}, 0)
    found = nothing.to_json()["branches"]
    assert (found["x"]["values"], found["x"]["min"]) == (0, None)
    assert found["j"]["length"]["max"] == 0
    with_some = nothing + Specs.of({"x": np.ones(1), "j": Jagged.from_lists([[2.0]])}, 1)
    assert with_some.to_json()["branches"]["j"]["length"]["max"] == 1


@given(st.lists(st.integers(0, 2), min_size=5, max_size=5), st.randoms())
def test_any_partition_in_any_order_gives_the_same(owners: list[int], random: object) -> None:
    whole = Specs.of(COLUMNS, 5, [-999.0])
    parts = []
    for owner in sorted(set(owners)):
        keep = np.array([mine == owner for mine in owners])
        columns: Columns = {name: select(column, keep) for name, column in COLUMNS.items()}
        parts.append(Specs.of(columns, int(keep.sum()), [-999.0]))
    random.shuffle(parts)  # type: ignore[attr-defined]
    assert figures(Specs.merge(parts)) == figures(whole)


def test_the_original_form() -> None:
    found = legacy_specs(Specs.of(COLUMNS, 5, [-999.0]), {"a.root": 3, "b.root": 2})
    assert found["fkeys"] == ["met", "n", "ok", "void"]
    assert found["jkeys"] == ["jets"]
    assert found["jdim"] == {"jets": 3}
    assert found["minv"] == {"met": 10.0, "n": -4.0, "ok": 0.0, "jets": 1.0, "void": 1.0}
    assert found["maxv"] == {"met": 30.0, "n": 3.0, "ok": 1.0, "jets": 8.0, "void": -1.0}
    assert found["nans"] == {"met": 3, "n": 0, "ok": 0, "jets": 2, "void": 5}
    assert found["events"] == {"a.root": 3, "b.root": 2, "total": 5}
    read = LegacySpecs.model_validate_json(json.dumps(found))
    assert read.jdim == {"jets": 3}


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u2", "i1"])
def test_values_are_looked_at_as_float32(dtype: str) -> None:
    values = np.array([1, 2, 100], dtype=dtype)
    part = Specs.of({"x": values}, 3).branches["x"].values
    single = values.astype(np.float32)
    assert (part.low, part.high, part.mean) == (single.min(), single.max(), float(np.float64(103.0) / 3))


@given(st.lists(st.booleans(), min_size=5, max_size=5))
def test_some_events_are_those_that_are_selected(wanted: list[bool]) -> None:
    keep = np.array(wanted)
    columns: Columns = {name: select(column, keep) for name, column in COLUMNS.items()}
    expected = figures(Specs.of(columns, int(keep.sum()), [-999.0]))
    assert figures(Specs.of(COLUMNS, 5, [-999.0], keep)) == expected
    assert figures(Specs.of(COLUMNS, 5, [-999.0], np.flatnonzero(keep))) == expected


@given(st.lists(st.integers(0, 3), max_size=9))
def test_events_in_any_order_also_repeated(chosen: list[int]) -> None:
    lists = [[1.0, 2.0], [], [math.nan, 5.0, 7.0], [-3.0]]
    flat = np.array([4.0, 3.0, 2.0, 1.0])
    columns: dict[str, Column] = {"j": slice_column(Jagged.from_lists([[9.0], *lists]), 1, 5), "x": flat}
    found = Specs.of(columns, 4, (), np.array(chosen, dtype=np.int64))
    same: dict[str, Column] = {"j": Jagged.from_lists([lists[i] for i in chosen], np.float64), "x": flat[chosen]}
    assert figures(found) == figures(Specs.of(same, len(chosen)))


def test_events_that_are_not_there() -> None:
    for index in ([5], [-1], [0, 2**40]):
        with pytest.raises(IndexError, match="positions of events must be 0 to 4"):
            Specs.of(COLUMNS, 5, (), np.array(index))
    with pytest.raises(ValueError, match="of 5 events some are chosen"):
        Specs.of(COLUMNS, 5, (), np.ones(4, dtype=np.bool_))
    assert Specs.of({}, 0, (), np.array([3, 1])).events == 2
    assert Specs.of({}, 0, (), np.array([True, False])).events == 1
    with pytest.raises(ValueError, match="met has 5 events, not 4"):
        Specs.of(COLUMNS, 4)
