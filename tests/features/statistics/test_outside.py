"""Values outside of the training's range: counted by branch, and told where events are unlike those of the training."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlaas4hep.config import Features
from mlaas4hep.features.columns import Jagged
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.matrix import raw_matrix
from mlaas4hep.features.normalisation import build_layout
from mlaas4hep.features.statistics.outside import Outside, Ranges
from mlaas4hep.features.statistics.specs import Specs

SIZE = 2000
MISSING = (-999.0,)


def columns(seed: int, size: int = SIZE) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "pt": rng.exponential(40.0, size).astype(np.float32),
        "when": 1.6e9 + rng.uniform(0.0, 40.0, size),
        "eta": Jagged.from_counts(np.full(size, 2), rng.normal(0.0, 1.0, 2 * size)),
        "jets": rng.integers(0, 8, size),
    }


@pytest.fixture(scope="module")
def ranges() -> Ranges:
    training = columns(1)
    specs = Specs.of(training, SIZE, MISSING)
    layout = build_layout(specs, Features(missing=MISSING), nan=False).layout
    return Ranges.of(layout, json.loads(json.dumps(specs.to_json()["branches"])))


def counted(ranges: Ranges, events: dict[str, Any], size: int = SIZE) -> Outside:
    return ranges.count(raw_matrix(events, ranges.layout.branches, size, missing=MISSING))


def test_the_training_itself_is_not_outside(ranges: Ranges) -> None:
    found = counted(ranges, columns(1))
    assert found.to_json() == {}
    assert found.warning() is None


@pytest.mark.parametrize("seed", range(2, 12))
def test_events_like_those_of_the_training_are_not_told(ranges: Ranges, seed: int) -> None:
    found = counted(ranges, columns(seed))
    assert found.warning() is None
    training, events = columns(1)["pt"], columns(seed)["pt"]
    number = int(((events < training.min()) | (events > training.max())).sum())
    assert found.to_json().get("pt", {"values": 0})["values"] == number


def test_other_events_are_told_by_branch_with_their_number(ranges: Ranges) -> None:
    events = columns(2)
    events["pt"] = np.where(np.arange(SIZE) < 300, np.float32(-1.0), events["pt"])
    events["when"] = np.where(np.arange(SIZE) < 500, 1.6e9 + 1000.0, events["when"])
    events["jets"] = np.where(np.arange(SIZE) < 900, -999, events["jets"])  # declared: that is not a value
    found = counted(ranges, events)
    told = found.to_json()
    assert 300 <= told["pt"]["values"] < 303
    assert (told["pt"]["min"], told["pt"]["mostly"]) == (-1.0, -1.0)
    assert 500 <= told["when"]["values"] < 503
    assert told["when"]["max"] == told["when"]["mostly"] == 1.6e9 + 1000.0
    assert told["when"]["share"] == told["when"]["values"] / SIZE
    assert "jets" not in told
    warning = found.warning() or ""
    assert "25.1 %, mostly 1600001000.0), pt (30" in warning
    assert "eta" not in warning


def test_what_the_training_did_not_declare(ranges: Ranges) -> None:
    events = columns(2)
    events["eta"] = Jagged.from_counts(np.full(SIZE, 2), np.where(np.arange(2 * SIZE) % 50 == 0, -99.0, 0.0))
    (text,) = [counted(ranges, events).warning()]
    assert "eta (80, 2 %, mostly -99.0)" in (text or "")


@given(hnp.arrays(np.float32, (8, 5), elements=st.floats(width=32)), st.integers(0, 8))
def test_parts_add_up(ranges: Ranges, raw: np.ndarray, cut: int) -> None:
    whole = ranges.count(raw)
    for first, second in ((raw[:cut], raw[cut:]), (raw[cut:], raw[:cut])):
        total = Outside()
        total.add(ranges.count(first))
        total.add(ranges.count(second))
        assert repr(total.branches) == repr(whole.branches)


def test_a_bundle_without_figures_has_no_range(ranges: Ranges) -> None:
    unknown = Ranges.of(ranges.layout, {"pt": {"min": None, "max": None}})
    raw = np.full((3, 5), 1e30, dtype=np.float32)
    assert unknown.count(raw).to_json() == {}


def test_integers_beyond_float64_are_within_their_own_range() -> None:
    first, origin = 2**60 + 1, float(2**60)
    branch = FeatureBranch("stamp", "flat", 1, 0.0, 1.0, 0.0, 0.0, origin)
    figures = {"stamp": {"min": first, "max": first + 50, "values": 51, "missing": 0}}
    ranges = Ranges.of(Layout((branch,)), figures)
    numbers = np.arange(first, first + 51)
    raw = raw_matrix({"stamp": numbers}, (branch,), 51)
    assert ranges.count(raw).to_json() == {}
    assert ranges.count(raw - np.float32(1)).to_json()["stamp"]["values"] == 1
