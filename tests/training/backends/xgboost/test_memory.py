"""What XGBoost keeps of every event counts against the memory limit, before the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors import MemoryLimitError
from mlaas4hep.training.backends.xgboost.backend import XGBoostBackend
from mlaas4hep.training.backends.xgboost.memory import check_streamed, fits_in_arrays, page_rows
from tests.support.fitting import fit_settings, train_and_validation

xgboost = pytest.importorskip("xgboost")


def test_too_many_events_are_refused_with_the_limit_that_would_do(tmp_path: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=2, max_depth=2)
    settings = fit_settings(tmp_path, memory_limit=50_000)
    with pytest.raises(MemoryLimitError, match="1200 training and 400 validation events") as caught:
        XGBoostBackend().fit(model, *train_and_validation(limited=True), settings)
    assert "use fewer events" in str(caught.value)
    wanted = int(str(caught.value).split("memory_limit to ")[1].split()[0]) * 10**6
    enough = fit_settings(tmp_path, memory_limit=wanted)
    _, history = XGBoostBackend().fit(model, *train_and_validation(limited=True), enough)
    assert history.epochs == 2


def test_validation_events_count_as_well_as_those_for_training(tmp_path: Path) -> None:
    train, validation = train_and_validation()
    model = xgboost.XGBClassifier(max_depth=2)
    needs = [
        next(
            n
            for n in range(0, 10**6, 500)
            if fits_in_arrays(model, train, part, fit_settings(tmp_path, memory_limit=n))
        )
        for part in (validation, train)
    ]
    assert needs[1] - needs[0] >= 800 * (2 * 4 * train.width + 8)


@pytest.mark.parametrize("change", [{"max_depth": 14}, {"max_depth": 0}])
def test_deep_trees_need_more(change: dict[str, int], tmp_path: Path) -> None:
    data = train_and_validation(limited=True)
    settings = fit_settings(tmp_path, memory_limit=300_000)
    check_streamed(xgboost.XGBClassifier(max_depth=2), *data, settings)
    check_streamed(xgboost.XGBClassifier(grow_policy="lossguide", **change), *data, settings)
    with pytest.raises(MemoryLimitError):
        check_streamed(xgboost.XGBClassifier(**change), *data, settings)


def test_each_class_needs_more(tmp_path: Path) -> None:
    data = train_and_validation(limited=True)
    model = xgboost.XGBClassifier(max_depth=2)
    check_streamed(model, *data, fit_settings(tmp_path, memory_limit=300_000, classes=2))
    with pytest.raises(MemoryLimitError):
        check_streamed(model, *data, fit_settings(tmp_path, memory_limit=300_000, classes=10))


@given(st.integers(1, 10**6))
def test_pages_hold_a_bounded_number_of_values(width: int) -> None:
    rows = page_rows(width)
    assert rows is None or (rows * width <= 2**21 and 10_000 < rows <= 2**17)
    assert np.all(rows is not None or width > 200)
