"""Lengths, normalisation and imputed values from specs, against numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlaas4hep.config import Features
from mlaas4hep.config.specs_file import LegacySpecs
from mlaas4hep.errors import ConfigError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.features.normalisation import build_layout, layout_from_legacy
from mlaas4hep.features.statistics.specs import Specs, legacy_specs

RNG = np.random.default_rng(5)


def specs_of(columns: Mapping[str, object], missing: tuple[float, ...] = ()) -> Specs:
    first = next(iter(columns.values()))
    return Specs.of(columns, len(first), missing)  # type: ignore[arg-type]


@pytest.mark.parametrize("normalisation", ["minmax", "standard", "robust", "none"])
def test_methods(normalisation: str) -> None:
    x = RNG.normal(50, 10, 5000).astype(np.float32)
    choice = build_layout(specs_of({"x": x}), Features(normalisation=normalisation), nan=False)  # type: ignore[arg-type]
    found = choice.layout.transform(x[:, np.newaxis])[:, 0].astype(np.float64)
    wide = x.astype(np.float64)
    if normalisation == "minmax":
        expected = (wide - wide.min()) / (wide.max() - wide.min())
    elif normalisation == "standard":
        expected = (wide - wide.mean()) / wide.std()
    elif normalisation == "robust":
        low, middle, high = np.quantile(wide, [0.16, 0.5, 0.84])
        expected = (wide - middle) / ((high - low) / 2)
    else:
        expected = wide
    tolerance = 0.02 if normalisation == "robust" else 1e-4
    np.testing.assert_allclose(found, expected, atol=tolerance)


@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=30),
    st.lists(st.floats(-1e5, 1e5, width=32), max_size=30),
    st.sampled_from(["minmax", "standard", "robust", "none"]),
)
@example([-4.0, -1e-38, 0.0, 0.0, 0.0], [], "robust")
@example([-4.0, -1e-38, 0.0, 0.0, 1e-38], [1e5], "robust")
def test_no_real_value_ever_looks_like_a_missing_one(train: list[float], later: list[float], method: str) -> None:
    specs = specs_of({"x": np.array(train, dtype=np.float32)})
    layout = build_layout(specs, Features(normalisation=method), nan=False).layout  # type: ignore[arg-type]
    rows = np.array([*train, *later, math.nan], dtype=np.float32)[:, np.newaxis]
    seen = layout.transform(rows)[:, 0]
    assert seen[-1] == layout.branches[0].fill
    assert np.all(seen[:-1] > seen[-1])


def test_minmax_imputes_minus_one() -> None:
    layout = build_layout(specs_of({"x": np.array([2.0, 4.0])}), Features(), nan=False).layout
    assert (layout.branches[0].fill, layout.branches[0].floor) == (-1.0, -0.5)


def test_impute_centre() -> None:
    features = Features(impute="centre", mask=True, normalisation="standard")
    layout = build_layout(specs_of({"x": np.array([2.0, 4.0])}), features, nan=False).layout
    assert layout.transform(np.array([[math.nan]], dtype=np.float32)).tolist() == [[0.0, 0.0]]


def test_constant_branch_becomes_zero() -> None:
    layout = build_layout(specs_of({"x": np.full(5, 7.0)}), Features(), nan=False).layout
    assert layout.transform(np.array([[7.0]], dtype=np.float32)).tolist() == [[0.0]]


def test_length_is_the_maximum() -> None:
    column = Jagged.from_lists([[1.0], [1.0, 2.0, 3.0], []])
    choice = build_layout(specs_of({"j": column}), Features(), nan=False)
    assert choice.layout.branches[0].length == 3
    assert choice.warnings == ()


def test_length_by_quantile_name_pattern_and_default() -> None:
    columns = {name: Jagged.from_counts(np.arange(1, 101), np.zeros(5050)) for name in ("a_x", "a_y", "b")}
    features = Features(length={"a_x": 7, "a_*": 8, "default": 9})
    lengths = [branch.length for branch in build_layout(specs_of(columns), features, nan=False).layout.branches]
    assert lengths == [7, 8, 9]
    features = Features(quantile=0.5)
    assert build_layout(specs_of(columns), features, nan=False).layout.branches[0].length == 50


def test_outlier_in_length_is_cut_with_a_warning() -> None:
    counts = np.full(5000, 3)
    counts[17] = 400
    column = Jagged.from_counts(counts, np.ones(int(counts.sum())))
    choice = build_layout(specs_of({"j": column}), Features(), nan=False)
    assert choice.layout.branches[0].length == 3
    assert choice.warnings == (
        (
            "lists truncated to what is enough for 99.9 % of the events (set features.length to choose): "
            "j (3 columns for up to 400 values, 1 training events lose some)"
        ),
    )


def test_length_beyond_all_lists_gives_no_empty_column() -> None:
    column = Jagged.from_lists([[1.0], [1.0, 2.0]])
    choice = build_layout(specs_of({"j": column}), Features(length={"j": 5}), nan=False)
    assert choice.layout.branches[0].length == 2


def test_branch_missing_everywhere_is_left_out() -> None:
    columns = {"x": np.array([1.0, 2.0]), "gone": np.array([math.nan, -999.0]), "empty": Jagged.from_lists([[], []])}
    choice = build_layout(specs_of(columns, missing=(-999.0,)), Features(missing=(-999.0,)), nan=True)
    assert [branch.name for branch in choice.layout.branches] == ["x"]
    assert choice.left_out == {
        "gone": "missing in every training event",
        "empty": "missing in every training event",
    }
    assert "missing in every training event, so left out of the features: gone, empty" in choice.warnings


def test_missing_and_infinite_values_are_counted() -> None:
    columns = {"x": np.array([1.0, 2.0, math.nan, math.inf, -math.inf])}
    warnings = build_layout(specs_of(columns), Features(), nan=False).warnings
    assert warnings == (
        "infinite values in training, treated as missing: x (2)",
        "missing values in training: x (1 of 5)",
    )


def test_legacy_specs_give_the_same_layout() -> None:
    columns = {"x": np.array([1.0, 3.0]), "j": Jagged.from_lists([[5.0, 9.0], [7.0]])}
    specs = specs_of(columns)
    direct = build_layout(specs, Features(), nan=False).layout
    written = LegacySpecs.model_validate(legacy_specs(specs, {"a.root": 2}))
    assert layout_from_legacy(written, ["x", "j"], Features(), nan=False) == direct
    assert written.events == {"a.root": 2, "total": 2}


@pytest.mark.parametrize(
    ("names", "normalisation", "message"),
    [
        (["y"], "minmax", "specs.json has no branch y; make the specs again, or exclude the branch"),
        (["x"], "robust", "specs.json has no robust normalisation; use minmax, or leave out the specs"),
        (["void"], "minmax", "specs.json has no value of branch void; exclude the branch"),
    ],
)
def test_legacy_specs_that_do_not_fit(names: list[str], normalisation: str, message: str) -> None:
    specs = specs_of({"x": np.array([1.0, 3.0]), "void": np.array([math.nan, math.nan])})
    written = LegacySpecs.model_validate(legacy_specs(specs, {}))
    with pytest.raises(ConfigError) as caught:
        layout_from_legacy(written, names, Features(normalisation=normalisation), nan=False)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_robust_of_a_narrow_peak_far_from_zero() -> None:
    """The sketch's error was 0.4 % of the value: 20 for a peak of width 3 at 5000."""
    x = RNG.normal(5000.0, 3.0, 50_000).astype(np.float32)
    choice = build_layout(specs_of({"x": x}), Features(normalisation="robust"), nan=True)
    low, high = np.quantile(choice.layout.transform(x[:, np.newaxis]), [0.16, 0.84])
    assert high - low == pytest.approx(2.0, abs=0.01)
    assert choice.warnings == ()


def test_robust_says_when_it_does_not_know_its_quantiles() -> None:
    peak = RNG.normal(5000.0, 3.0, 50_000)
    x = np.where(RNG.random(50_000) < 0.05, 10.0 ** RNG.uniform(-6, 6, 50_000), peak)
    choice = build_layout(specs_of({"x": x}), Features(normalisation="robust"), nan=True)
    (warning,) = choice.warnings
    assert warning.startswith("only rough quantiles for normalisation robust (")
    assert ": x (to 16, its range is " in warning


def test_values_beyond_float32_are_said() -> None:
    x = np.array([1.0, 2.0, 1e300, -1e39])
    choice = build_layout(specs_of({"x": x}), Features(), nan=False)
    (warning,) = choice.warnings
    assert warning == "values beyond what float32 can hold in training, treated as missing: x (2, as far as 1e+300)"
    assert choice.layout.transform(x[:2, np.newaxis].astype(np.float32)).ravel().tolist() == [0.0, 1.0]
    legacy = LegacySpecs.model_validate(legacy_specs(specs_of({"x": x}), {"f": 4}))
    with pytest.raises(
        ConfigError, match=r"x goes from -1e\+39 to 1e\+300 in specs.json, beyond what float32 can hold"
    ):
        layout_from_legacy(legacy, ["x"], Features(), nan=False)


def test_columns_that_are_nearly_all_padding() -> None:
    """Lists of 100 000 values in 12 of 6000 events made a model of 100 001 columns without a word."""
    lengths = np.concatenate([RNG.integers(0, 4, 5988), np.full(12, 100_000)])
    column = Jagged.from_counts(lengths, np.ones(int(lengths.sum()), dtype=np.float32))
    (warning,) = build_layout(specs_of({"hit": column}), Features(), nan=True).warnings
    assert warning == (
        "columns that are nearly all padding (set features.length to choose): hit (100000 columns, 99.8 % of them "
        "padding; 3 are enough for 99.8 % of the training events, 12 of 6000 have more values)"
    )
    chosen = build_layout(specs_of({"hit": column}), Features(length={"hit": 3}), nan=True)
    assert (chosen.layout.width, chosen.warnings) == (3, ())


def test_lists_of_ordinary_lengths_are_no_padding() -> None:
    for counts in (RNG.poisson(5.0, 3000), RNG.integers(0, 60, 3000), np.full(3000, 200)):
        column = Jagged.from_counts(counts, np.ones(int(counts.sum())))
        assert build_layout(specs_of({"hit": column}), Features(), nan=True).warnings == ()


def test_values_that_float32_makes_zero() -> None:
    x = RNG.normal(0.0, 1e-300, 500)
    (warning,) = build_layout(specs_of({"x": x}), Features(), nan=True).warnings
    assert warning.startswith("nearly zero as float32 (")
    assert ": x (up to " in warning
    for other in (np.zeros(500), RNG.normal(0.0, 1e-30, 500), RNG.normal(0.0, 1e-3, 500)):
        assert build_layout(specs_of({"x": other}), Features(), nan=True).warnings == ()
