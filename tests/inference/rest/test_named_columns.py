"""Models that name their columns, asked by keys in any order, over JSON and protobuf."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
import xgboost
from onnx import TensorProto, helper

from mlaas4hep.inference.rest.tfaas.messages import Predictions, Row
from mlaas4hep.inference.settings import Settings
from tests.support.live import Live, live_server
from tests.support.serving import put, save

NAMES = ["pt", "eta", "mass"]
VALUES = {"pt": 3.0, "eta": -2.0, "mass": 0.125}


def scalars() -> onnx.ModelProto:
    """``a``, ``b`` FP32 [N, 1] -> ``y`` = a - b."""
    graph = helper.make_graph(
        [helper.make_node("Sub", ["a", "b"], ["y"])],
        "scalars",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in "ab"],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    rows = np.random.default_rng(3).normal(size=(300, 3)).astype(np.float32) * (3, 2, 0.1)
    target = rows @ (1.0, -0.3, 4.0)
    data = xgboost.DMatrix(rows, target, feature_names=NAMES)
    return xgboost.train({"max_depth": 4, "nthread": 1}, data, 10)


@pytest.fixture(scope="module")
def live(booster: xgboost.Booster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    root = tmp_path_factory.mktemp("named")
    booster.save_model(root / "trees.ubj")
    models = root / "models"
    save(scalars(), models / "scalars" / "1" / "model.onnx")
    put(models, "plain", 1, 2)
    with live_server(Settings(repository=models)) as there:
        form = {"name": "trees"}
        answer = there.client.post("/upload", data=form, files={"model": (root / "trees.ubj").read_bytes()})
        assert answer.is_success, answer.text
        yield there


@pytest.mark.parametrize("keys", [NAMES, ["eta", "pt", "mass"], ["mass", "eta", "pt"]])
def test_keys_in_any_order(live: Live, booster: xgboost.Booster, keys: list[str]) -> None:
    row = np.array([[VALUES[name] for name in NAMES]], np.float32)
    expected = booster.predict(xgboost.DMatrix(row, feature_names=NAMES))
    values = [VALUES[name] for name in keys]
    answer = live.client.post("/json", json={"model": "trees", "keys": keys, "values": values})
    np.testing.assert_allclose(answer.json(), expected, rtol=1e-5)
    message = Row(key=keys, value=values, model="trees").SerializeToString()
    found = Predictions.FromString(live.client.post("/proto", content=message).content)
    np.testing.assert_allclose([entry.probability for entry in found.prediction], expected, rtol=1e-5)


def test_several_inputs_of_one_number(live: Live) -> None:
    for keys, values in ((["a", "b"], [5, 2]), (["b", "a"], [2, 5])):
        answer = live.client.post("/json", json={"model": "scalars", "keys": keys, "values": values})
        assert answer.json() == [3.0]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (["eta", "pt", "charge"], "keys are missing: mass; keys are unknown: charge"),
        (["eta", "pt"], "keys are missing: mass"),
        ([*NAMES, "charge"], "keys are unknown: charge"),
        (["pt", "pt", "mass"], "keys are given more than once"),
    ],
)
def test_keys_that_are_not_the_names(live: Live, keys: list[str], says: str) -> None:
    answer = live.client.post("/json", json={"model": "trees", "keys": keys, "values": [1.0] * len(keys)})
    assert answer.status_code == 400
    assert says in answer.text
    message = Row(key=keys, value=[1.0] * len(keys), model="trees").SerializeToString()
    assert live.client.post("/proto", content=message).status_code == 400


def test_without_names_the_position_counts(live: Live) -> None:
    answer = live.client.post("/json", json={"model": "plain", "keys": ["v", "u"], "values": [1, 2]})
    assert answer.json() == [2.0, 4.0]


@pytest.mark.parametrize(("model", "names"), [("trees", NAMES), ("scalars", ["a", "b"])])
def test_the_example_has_the_keys(live: Live, model: str, names: list[str]) -> None:
    example: dict[str, Any] = live.client.get(f"/api/models/{model}/metadata").json()["example"]
    assert example == {"model": model, "keys": names, "values": [0.0] * len(names)}
    assert live.client.post("/json", json=example).status_code == 200
