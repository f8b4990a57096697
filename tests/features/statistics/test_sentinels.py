"""Numbers that mean missing although nobody said so are told by their kind, and ordinary values are left alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow.csv as pa_csv
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.config import Features
from mlaas4hep.features.normalisation import build_layout
from mlaas4hep.features.statistics.branch import ValueStatistics
from mlaas4hep.features.statistics.sentinels import suspects, warning_of
from mlaas4hep.features.statistics.specs import Specs

SIZE = 4000
FLT_MAX = float(np.finfo(np.float32).max)


def of(values: np.ndarray) -> ValueStatistics:
    return ValueStatistics.of(values, np.empty(0))


def found(values: np.ndarray) -> list[float]:
    return [one.value for one in suspects(of(values))]


def continuous(name: str, rng: np.random.Generator) -> np.ndarray:
    shapes = {
        "pt": lambda: rng.exponential(40.0, SIZE) + 20.0,
        "energy": lambda: rng.exponential(400.0, SIZE),
        "eta": lambda: rng.normal(0.0, 1.5, SIZE),
        "phi": lambda: rng.uniform(-math.pi, math.pi, SIZE),
        "mass": lambda: rng.normal(91.2, 2.5, SIZE),
        "score": lambda: rng.beta(0.5, 0.5, SIZE),
        "impact": lambda: rng.standard_t(2.0, SIZE) * 0.01,
        "log likelihood": lambda: -rng.gamma(3.0, 10.0, SIZE),
    }
    return shapes[name]()


CONTINUOUS = ("pt", "energy", "eta", "phi", "mass", "score", "impact", "log likelihood")
DISCRETE = {
    "charge": [-1, 1],
    "jets": [0, 0, 0, 1, 1, 2, 3, 4, 9],
    "flag": [0, 1],
    "flavour": [-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 21],
    "pdg": [-13, -11, 11, 13, 15, 22],
    "bits": [0, 1, 3, 7, 15, 31, 63, 127, 255],
    "working point": [0, 1, 2, 4],
}


@settings(max_examples=60)
@given(
    st.sampled_from(CONTINUOUS),
    st.sampled_from([-999.0, -9999.0, -99999.0, FLT_MAX, -FLT_MAX, 2.0**32 - 1, 1e10, -1e30, 2.0**31 - 1]),
    st.sampled_from([0.01, 0.3, 0.9]),
    st.integers(0, 99),
    st.sampled_from(["f4", "f8"]),
)
def test_a_number_far_from_continuous_values(name: str, number: float, share: float, seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    values = continuous(name, rng).astype(dtype)
    values[rng.random(SIZE) < share] = number
    assert found(values) == [float(np.array(number).astype(dtype))]
    (one,) = suspects(of(values))
    assert one.share == np.mean(values == np.array(number).astype(dtype))


@pytest.mark.parametrize("name", ["pt", "energy", "mass", "score"])
@pytest.mark.parametrize("number", [-1.0, -99.0, -10.0])
def test_a_negative_number_among_positive_ones(name: str, number: float) -> None:
    rng = np.random.default_rng(0)
    values = continuous(name, rng)
    values[rng.random(SIZE) < 0.2] = number
    assert found(values) == [number]


@pytest.mark.parametrize("name", [name for name in DISCRETE if name != "bits"])
@pytest.mark.parametrize("number", [-999, 2**32 - 1, -(2**31), 2**63 - 1])
def test_a_number_far_from_categories(name: str, number: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.choice(DISCRETE[name], SIZE)
    values[rng.random(SIZE) < 0.2] = number
    assert found(values) == [float(number)]


def test_one_weight_a_file_is_not_a_missing_value() -> None:
    """The example: cross-section x luminosity / events of four samples, of which one is far greater than the others."""
    weights = np.array([0.3977354, 126.1188, 262.6372, 6152.532], np.float32)
    assert found(np.repeat(weights, [80, 80, 60, 60])) == []


def test_several_numbers() -> None:
    rng = np.random.default_rng(0)
    values = rng.choice([-999.0, -10.0, -1.0, 2.0], SIZE, p=[0.4, 0.1, 0.1, 0.4])
    values[values == 2.0] = rng.beta(0.5, 0.5, int((values == 2.0).sum()))
    assert found(values) == [-999.0, -10.0, -1.0]
    assert found(rng.choice([-9999, -999, 0, 1, 2, 3], SIZE)) == [-9999.0, -999.0]


@settings(max_examples=60)
@given(st.sampled_from([*CONTINUOUS, *DISCRETE]), st.integers(0, 9999), st.sampled_from([30, 300, SIZE]))
def test_ordinary_values_are_left_alone(name: str, seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    values = continuous(name, rng)[:size] if name in CONTINUOUS else rng.choice(DISCRETE[name], size)
    assert found(values) == []


@settings(max_examples=30)
@given(st.integers(0, 9999), st.sampled_from(["zero", "clipped", "rounded", "half precision", "poisson"]))
def test_ordinary_values_that_occur_often(seed: int, kind: str) -> None:
    """An isolation of exactly 0, saturated counts, values of few digits."""
    rng = np.random.default_rng(seed)
    values = {
        "zero": lambda: np.where(rng.random(SIZE) < 0.4, 0.0, rng.exponential(0.1, SIZE)),
        "clipped": lambda: np.clip(rng.normal(0.0, 1.0, SIZE), -1.5, 2.0),
        "rounded": lambda: np.round(rng.normal(10.0, 3.0, SIZE), 1),
        "half precision": lambda: rng.exponential(30.0, SIZE).astype(np.float16).astype(np.float32),
        "poisson": lambda: rng.poisson(3.0, SIZE),
    }[kind]()
    assert found(values) == []


@pytest.mark.parametrize("number", [np.finfo(np.float64).max, -np.finfo(np.float64).max, 1e300])
def test_the_largest_double(number: float) -> None:
    values = np.random.default_rng(0).normal(size=SIZE)
    values[:400] = number
    assert [(one.value, one.share) for one in suspects(of(values))] == [(number, 0.1)]
    declared = ValueStatistics.of(values, np.array([number]))
    assert suspects(declared) == ()
    assert (declared.missing, declared.real, declared.large) == (400, SIZE - 400, None)


def test_nothing_and_constants() -> None:
    for values in (np.empty(0), np.full(50, math.nan), np.full(50, -999.0), np.array([1.0]), np.array([-999.0, 1.0])):
        assert found(values) == []


def test_the_warning_names_branch_value_share_and_the_line_to_add() -> None:
    rng = np.random.default_rng(0)
    pt = continuous("pt", rng)
    pt[:1000] = -999.0
    charge = rng.choice([-1, 1], SIZE)
    specs = Specs.of({"pt": pt, "charge": charge}, SIZE)
    (warning,) = build_layout(specs, Features(), nan=True).warnings
    assert warning == (
        "one number far from all others is frequent in these branches: pt: -999 (25 %). If it means that there is no "
        "value, declare it: features: missing: [-999]"
    )
    assert build_layout(Specs.of({"pt": pt}, SIZE, [-999.0]), Features(missing=(-999.0,)), nan=True).warnings == (
        "missing values in training: pt (1000 of 4000)",
    )
    pt[:1000] = -1.0
    text = warning_of(Specs.of({"pt": pt, "charge": charge}, SIZE).values, [-25.0]) or ""
    assert "missing: [-25, -1] (this applies to all features, and -1 is an ordinary value of charge)" in text


def test_the_higgs_challenge(shared_data: Path) -> None:
    """Exactly the branches that hold -999, and none of the others (charges, counts of jets, angles)."""
    (path,) = (shared_data / "higgs").glob("*.csv.gz")
    table = pa_csv.read_csv(path)
    for name in table.column_names:
        column = table[name].to_numpy()
        if column.dtype.kind in "if":
            assert found(column) == ([-999.0] if (column == -999.0).any() else []), name


def test_cms_open_data(shared_data: Path) -> None:
    for path in sorted((shared_data / "root" / "htautau").glob("*.root")):
        with uproot.open(path) as file:
            tree = file["Events"]
            for name in list(tree.keys()):
                column = tree[name].array(library="np")
                expected = {-999.0} if (column == -999.0).any() else set()
                if name.startswith("jbtag"):
                    assert expected <= set(found(column)) <= {-999.0, -10.0, -1.0, -2.0}, (path.name, name)
                else:
                    assert set(found(column)) == expected, (path.name, name)
