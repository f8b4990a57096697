"""LightGBM models are served as ONNX and give what LightGBM gives, also at thresholds and for missing values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.support.foreign_models import close, convert_here, opened

lightgbm = pytest.importorskip("lightgbm")
RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(600, 4))
X[:, 3] = RANDOM.integers(0, 6, 600)
X[::9, 1] = np.nan
TWO = (np.nan_to_num(X).sum(axis=1) > 1).astype(int)
THREE = TWO + (X[:, 0] > 0.5)
VALUE = X[:, 0] * 3 + np.abs(X[:, 2])
ABSENT = (np.isnan(X[:, 1]) ^ (X[:, 0] > 1.5)).astype(int)
OBJECTIVES: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "binary": (TWO, {}),
    "binary, steep": (TWO, {"objective": "binary", "sigmoid": 2.0}),
    "multiclass": (THREE, {"num_class": 3}),
    "multiclassova": (THREE, {"num_class": 3}),
    "regression": (VALUE, {}),
    "regression, root": (VALUE, {"objective": "regression", "reg_sqrt": True}),
    "regression_l1": (VALUE, {}),
    "quantile": (VALUE, {}),
    "poisson": (TWO, {}),
    "gamma": (TWO + 1, {}),
    "tweedie": (TWO, {}),
    "cross_entropy": (TWO, {}),
    "cross_entropy_lambda": (TWO, {}),
    "lambdarank": (THREE, {}),
    "rank_xendcg": (THREE, {}),
    "categories": (TWO, {"objective": "binary", "categorical_feature": [3], "max_cat_to_onehot": 1}),
    "dropped trees": (TWO, {"objective": "binary", "boosting": "dart"}),
    "a forest": (TWO, {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}),
    "zero is missing": (TWO, {"objective": "binary", "zero_as_missing": True}),
    "nothing is missing": (TWO, {"objective": "binary", "use_missing": False}),
    "missing against all others": (ABSENT, {"objective": "binary"}),
    "no split": (TWO, {"objective": "binary", "min_data_in_leaf": 1000}),
}


def trained(name: str, file: Path) -> Any:
    labels, more = OBJECTIVES[name]
    parameters = {"objective": name, "verbose": -1, "num_threads": 1, "seed": 1, **more}
    categories = parameters.pop("categorical_feature", "auto")
    groups = [20] * 30 if "rank" in name else None
    data = lightgbm.Dataset(X, labels, group=groups, categorical_feature=categories)
    lightgbm.train(parameters, data, 8).save_model(file)
    return lightgbm.Booster(model_file=str(file))


def hard_rows(booster: Any) -> NDArray[np.float32]:
    """Rows at the thresholds, beside them, at zero, far away and without values."""
    rows = [X.astype(np.float32)]
    special = np.array([0, -0.0, 1e-35, -1e-35, 1e-36, np.nan, np.inf, -np.inf, 3.7, -0.3, 1e30], np.float32)
    rows.append(RANDOM.choice(special, (400, 4)))
    nodes = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while nodes:
        node = nodes.pop()
        if "split_feature" in node:
            nodes += [node["left_child"], node["right_child"]]
            for cut in np.clip(np.array(str(node["threshold"]).split("||"), float), -1e38, 1e38).astype(np.float32):
                near = rows[0][RANDOM.integers(0, 600, 3)].copy()
                near[:, node["split_feature"]] = [
                    cut,
                    np.nextafter(cut, np.float32(9e9)),
                    np.nextafter(cut, np.float32(-9e9)),
                ]
                rows.append(near)
    return np.concatenate(rows)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_lightgbm_is_served_as_onnx(tmp_path: Path, name: str) -> None:
    booster = trained(name, tmp_path / "m.txt")
    served = convert_here(tmp_path / "m.txt", tmp_path / "1")
    assert (served["runtime"], served["reason"]) == ("onnx", "")
    rows = hard_rows(booster)
    with opened(tmp_path / "1") as runtime:
        found = runtime.run({"features": rows}, timeout=60)["scores"]
    assert close(found, booster.predict(rows).reshape(len(rows), -1))


def test_linear_trees_are_served_by_lightgbm_and_the_reason_is_said(tmp_path: Path) -> None:
    data = lightgbm.Dataset(X, VALUE, params={"linear_tree": True})
    parameters = {"objective": "regression", "linear_tree": True, "verbose": -1, "num_threads": 1}
    lightgbm.train(parameters, data, 4).save_model(tmp_path / "m.txt")
    served = convert_here(tmp_path / "m.txt", tmp_path / "1")
    assert served["runtime"] == "worker"
    assert "linear models in the leaves" in served["reason"]
    rows = X.astype(np.float32)
    with opened(tmp_path / "1") as runtime:
        found = runtime.run({"features": rows}, timeout=60)["scores"]
    assert close(found, lightgbm.Booster(model_file=str(tmp_path / "m.txt")).predict(rows)[:, None])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    import onnxruntime

    from mlaas4hep.frameworks.lightgbm.graph import lightgbm_graph

    booster = trained("categories", tmp_path_factory.mktemp("lightgbm") / "m.txt")
    graph = lightgbm_graph(booster.dump_model())
    return booster, onnxruntime.InferenceSession(graph.SerializeToString())


@settings(max_examples=200, deadline=None)
@given(rows=arrays(np.float32, (3, 4), elements=st.floats(width=32)))
def test_any_row(both: tuple[Any, Any], rows: NDArray[np.float32]) -> None:
    booster, session = both
    rows[:, 3] = np.clip(rows[:, 3], -1e6, 1e6)  # larger categories overflow in LightGBM
    assert np.allclose(session.run(None, {"features": rows})[0][:, 0], booster.predict(rows), atol=1e-6)
