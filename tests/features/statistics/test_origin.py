"""Branches whose values float32 cannot tell apart are counted from an origin, subtracted before they are rounded."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from mlaas4hep.config import Features
from mlaas4hep.config.specs_file import LegacySpecs
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.gather import Sources, gather
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.matrix import raw_matrix
from mlaas4hep.features.normalisation import build_layout, layout_from_legacy
from mlaas4hep.features.statistics.origin import from_origin
from mlaas4hep.features.statistics.specs import Specs, legacy_specs

RNG = np.random.default_rng(3)
SIZE = 20_000
LABEL = RNG.random(SIZE) < 0.5
CLOSE: dict[str, np.ndarray] = {
    "times": 1.6e9 + np.where(LABEL, 25.0, 15.0) + RNG.normal(0.0, 3.8, SIZE),
    "times in nanoseconds": 16 * 10**17 + (1e9 * (np.where(LABEL, 25, 15) + RNG.normal(0, 3.8, SIZE))).astype(int),
    "near 2^60": 2**60 + (500 + np.where(LABEL, 60, 0) + RNG.normal(0, 22, SIZE)).astype(int),
    "near 2^31": (2**31 - 500 + np.where(LABEL, 60, 0) + RNG.normal(0, 22, SIZE)).astype(np.int32),
    "near 2^32": (2**32 - 500 + np.where(LABEL, 60, 0) + RNG.normal(0, 22, SIZE)).astype(np.uint32),
    "near 2^64": np.uint64(2**64 - 2000) + (500 + np.where(LABEL, 60, 0) + RNG.normal(0, 22, SIZE)).astype(np.uint64),
    "close to a third": 1.0 / 3.0 + np.where(LABEL, 2.6e-9, 0.0) + RNG.normal(0.0, 1e-9, SIZE),
    "negative": -1e12 + np.where(LABEL, 2.6, 0.0) + RNG.normal(0.0, 1.0, SIZE),
}  # fmt: skip
FAR: dict[str, np.ndarray] = {
    "a mass": RNG.normal(91.2, 2.5, SIZE),
    "N(5000, 3)": RNG.normal(5000.0, 3.0, SIZE),
    "float32 times": (1.6e9 + RNG.uniform(0, 40, SIZE)).astype(np.float32),
    "whole numbers": RNG.integers(0, 2**23, SIZE),
    "constant": np.full(SIZE, 1.6e9 + 0.3),
    "wide": RNG.exponential(50.0, SIZE),
    "empty": np.full(SIZE, math.nan),
}


def auc(values: np.ndarray) -> float:
    return float(roc_auc_score(LABEL, values))


@pytest.mark.parametrize("normalisation", ["minmax", "standard", "robust", "none"])
@pytest.mark.parametrize("name", list(CLOSE))
def test_what_separates_the_classes_in_double_precision_does_so_in_the_features(name: str, normalisation: str) -> None:
    stored = CLOSE[name]
    exact = auc((stored - stored.min()).astype(np.float64))
    choice = build_layout(Specs.of({"t": stored}, SIZE), Features(normalisation=normalisation), nan=False)  # type: ignore[arg-type]
    (branch,) = choice.layout.branches
    seen = choice.layout.transform(raw_matrix({"t": stored}, [branch], SIZE))[:, 0]
    assert branch.origin != 0.0
    assert exact > 0.9 > auc(stored.astype(np.float32))
    assert auc(seen) == pytest.approx(exact, abs=1e-3)
    (note,) = choice.notes
    assert f"t (from {branch.origin!r})" in note
    if normalisation == "minmax":
        assert (seen.min(), seen.max()) == pytest.approx((0.0, 1.0), abs=1e-3)
    if normalisation in {"standard", "robust"}:
        assert np.abs(seen).max() < 20.0


@pytest.mark.parametrize("name", list(FAR))
def test_other_branches_have_none(name: str) -> None:
    choice = build_layout(Specs.of({"t": FAR[name]}, SIZE), Features(), nan=False)
    assert [branch.origin for branch in choice.layout.branches if branch.origin] == []
    assert choice.notes == ()


def test_what_is_declared_missing_hides_no_origin() -> None:
    for missing, name in ((-999.0, "times"), (2.0**32 - 1.0, "near 2^32"), (0.0, "near 2^31")):
        stored = CLOSE[name].copy()
        stored[::3] = missing
        choice = build_layout(Specs.of({"t": stored}, SIZE, [missing]), Features(missing=(missing,)), nan=True)
        (branch,) = choice.layout.branches
        assert branch.origin != 0.0
        raw = raw_matrix({"t": stored}, [branch], SIZE, missing=[missing])
        assert np.isnan(raw[::3]).all()
        seen = choice.layout.transform(raw)[:, 0]
        assert np.isnan(seen[::3]).all()
        kept = np.arange(SIZE) % 3 != 0
        assert np.isfinite(seen[kept]).all()


def test_lists_have_one_too() -> None:
    times = Jagged.from_counts(np.full(SIZE // 4, 4), CLOSE["times"])
    columns: dict[str, Column] = {"t": times}
    choice = build_layout(Specs.of(columns, SIZE // 4), Features(), nan=True)
    seen = choice.layout.transform(raw_matrix(columns, choice.layout.branches, SIZE // 4))
    assert auc(seen.ravel()) == pytest.approx(auc(CLOSE["times"]), abs=1e-3)
    some = np.array([5, 3, 3])
    np.testing.assert_array_equal(
        choice.layout.transform(raw_matrix(columns, choice.layout.branches, SIZE // 4, some)), seen[some]
    )


def test_specs_of_the_original_have_an_origin() -> None:
    stored = CLOSE["times"]
    legacy = LegacySpecs.model_validate(legacy_specs(Specs.of({"t": stored}, SIZE), {"f": SIZE}))
    layout = layout_from_legacy(legacy, ["t"], Features(), nan=False)
    seen = layout.transform(raw_matrix({"t": stored}, layout.branches, SIZE))[:, 0]
    assert (seen.min(), seen.max()) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert auc(seen) == pytest.approx(auc(stored), abs=1e-3)


@given(
    st.sampled_from(["i4", "u4", "i8", "u8"]).flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), 8)),
    st.integers(-(2**63), 2**64 - 1),
)
def test_differences_of_integers_are_exact(values: np.ndarray, number: int) -> None:
    origin = float(number)
    found = from_origin(values, origin, ())
    for value, single in zip(values.tolist(), found.tolist(), strict=True):
        exact = Fraction(value) - Fraction(origin)
        assert abs(Fraction(single) - exact) <= abs(exact) / 2**23


NUMBERS = st.lists(st.sampled_from([-999.0, -1.0, 0.0, 7.0, -5.0, 11.0]), min_size=1, max_size=6, unique=True)


@pytest.mark.parametrize("nan", [False, True])
@pytest.mark.parametrize("mask", [False, True])
@given(steps=st.lists(st.integers(-2000, 2000), min_size=1), missing=NUMBERS)
def test_a_difference_that_looks_like_a_missing_value_stays_one(
    steps: list[int], missing: list[float], nan: bool, mask: bool
) -> None:
    """A time 999 seconds before the origin is a time, although -999 means missing."""
    values = np.append(1.6e9 + np.array([*steps, *missing]), missing)
    other = np.append(np.zeros(len(steps)), missing + missing)
    branches = (
        FeatureBranch("t", "flat", 1, 0.5, 2.0, -1e9, -2e9, 1.6e9),
        FeatureBranch("x", "flat", 1, 0.5, 2.0, -1e9, -2e9),
    )
    layout = Layout(branches, missing=tuple(missing), nan=nan, mask=mask)
    raw = raw_matrix({"t": values, "x": other}, branches, len(values), missing=missing)
    size = len(steps) + len(missing)
    assert np.isnan(raw[size:, 0]).all()
    seen = layout.transform(raw)
    np.testing.assert_array_equal(seen[:size, 0], (np.array([*steps, *missing]) - 0.5) * 2.0)
    absent = np.full(len(missing), math.nan if nan else -2e9)
    np.testing.assert_array_equal(seen[size:, 0], absent)
    np.testing.assert_array_equal(seen[len(steps) : size, 1], absent)
    if mask:
        assert seen[:, 2].tolist() == [1.0] * size + [0.0] * len(missing)
    rows = np.arange(len(values))
    gathered = np.empty_like(seen)
    gather(gathered, Sources([np.ascontiguousarray(raw)]), None, rows, layout.prepared)
    np.testing.assert_array_equal(gathered, seen)
