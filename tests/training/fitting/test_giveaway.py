"""A branch that tells the classes apart alone is found, whatever the order of its values; good variables are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.training.fitting.giveaway import give_away

SIZE = 4000


def layout(*names: str) -> Layout:
    return Layout(tuple(FeatureBranch(name, "flat", 1, 0.0, 1.0, -1e30, -2e30) for name in names))


def found(columns: dict[str, np.ndarray], y: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
    x = np.stack([column.astype(np.float32) for column in columns.values()], axis=1)
    ones = np.ones(len(y)) if weight is None else weight
    return give_away(x, y, ones, layout(*columns), int(y.max()) + 1)


def test_numbers_of_events_and_data_sets() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, SIZE)
    columns = {
        "event": np.where(y == 1, 1e6, 0.0) + rng.uniform(0, 1e5, SIZE),
        "dsid": np.where(y == 1, 345, rng.choice([300, 320, 400, 410], SIZE)),  # no order separates them
        "filled": np.where(y == 1, math.nan, rng.normal(size=SIZE)),
        "mass": rng.normal(0.0, 1.0, SIZE) + 2.5 * y,
        "noise": rng.normal(size=SIZE),
        "flag": rng.integers(0, 2, SIZE),
    }
    areas = found(columns, y)
    assert set(areas) == {"event", "dsid", "filled"}
    assert all(0.99 < area <= 1.0 for area in areas.values())


def test_one_class_of_several() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, SIZE)
    assert set(found({"tag": (y == 2) * 1.0, "x": rng.normal(size=SIZE)}, y)) == {"tag"}


@settings(max_examples=20)
@given(st.integers(0, 999), st.sampled_from([110, 500, SIZE]))
def test_nothing_is_found_by_chance(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, size)
    columns = {f"x{number}": rng.normal(size=size) + 1.0 * y for number in range(20)}
    columns |= {f"c{number}": rng.integers(0, 200, size) for number in range(20)}
    assert found(columns, y) == {}


def test_few_events_say_nothing() -> None:
    y = np.arange(90) % 2
    assert found({"event": y * 1.0}, y) == {}


@pytest.mark.parametrize("kind", ["rare signal", "negative"])
def test_weights(kind: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, SIZE)
    weight = np.where(y == 1, 1e-4, 1.0) if kind == "rare signal" else rng.choice([-1.0, 1.0], SIZE)
    assert set(found({"event": y + rng.uniform(0, 0.5, SIZE), "x": rng.normal(size=SIZE)}, y, weight)) == {"event"}
