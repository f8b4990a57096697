"""A regression whose values are far from 0: the ONNX model is judged by the spread of the predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.bundle.onnx_graph import compose
from mlaas4hep.bundle.parity import check
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.training.backends.xgboost.backend import XGBoostBackend
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings


@pytest.mark.parametrize("offset", [0.0, 511_000.0])
def test_trees_far_from_zero_agree_only_if_they_do(offset: float, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    sample = make_sample(3000, task="regression")
    train = MemoryEvents(replace(sample, y=(offset + 2.0 * sample.x[:, 0].astype(np.float64)).astype(np.float32)))
    settings = fit_settings(tmp_path, task="regression", classes=0)
    model, _ = XGBoostBackend().fit(
        xgboost.XGBRegressor(), train, MemoryEvents(make_sample(0, task="regression")), settings
    )
    layout = Layout(tuple(FeatureBranch(name, "flat", 1, 0.0, 1.0, -1e9, 0.0) for name in "abcd"))
    graph = compose(XGBoostBackend().to_onnx(model, 4, "regression"), layout)
    parity = check(graph, lambda x: XGBoostBackend().predict(model, x, "regression"), layout, sample.x)
    assert parity.max_abs_difference is not None
    allowed = 1e-4 * 2.1 + float(np.spacing(np.float32(offset))) + 1e-6
    assert parity.agreed == (parity.max_abs_difference <= allowed)
    assert parity.agreed or offset > 0.0
