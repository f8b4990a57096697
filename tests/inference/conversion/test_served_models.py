"""Other people's models, uploaded as they are, give what their frameworks give. TensorFlow is imported here alone."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from mlaas4hep.inference.conversion.upload import convert_upload
from tests.support.foreign_models import LIMITS, close, opened

pytestmark = pytest.mark.filterwarnings("ignore")  # what frameworks warn of is not ours
RANDOM = np.random.default_rng(20)
UPLOADS = {
    "keras": ("keras/tf_model.keras", {}),
    "script": ("torchscript/pn_test", {}),
    "h5": ("keras/baseline-model.h5", {}),
    "saved": ("saved_model/half_plus_two_tf2", {}),
    "frozen": ("frozen_graph/tau_3layer.pb", {"input_node": "input_1", "output_node": "dense_4/Sigmoid"}),
    "found": ("frozen_graph/tau_3layer.pb", {}),
    "xgboost": ("xgboost/xgboost_example.ubj", {}),
    "triton": ("onnx/simple", {}),
    "jets": ("onnx/jet_tagger_16x5.onnx", {}),
}
Run = Callable[..., dict[str, NDArray[Any]]]


@pytest.fixture(scope="module")
def converted(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all models, converted two at a time."""
    root = tmp_path_factory.mktemp("served")

    async def all_of_them() -> None:
        places = asyncio.Semaphore(2)

        async def one(name: str, file: str, params: dict[str, Any]) -> None:
            async with places:
                await convert_upload(shared_data / "models" / file, root / name, params, LIMITS)

        await asyncio.gather(*(one(name, *upload) for name, upload in UPLOADS.items()))

    asyncio.run(all_of_them())
    return root


@pytest.fixture(scope="module")
def models(shared_data: Path) -> Path:
    return shared_data / "models"


def served(folder: Path, **inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """Outputs in order, of inputs by position."""
    with opened(folder) as runtime:
        assert runtime.platform == "onnxruntime_onnx"
        named = dict(zip((spec.name for spec in runtime.inputs), inputs.values(), strict=True))
        given = runtime.run(named, timeout=60)
        assert list(given) == [spec.name for spec in runtime.outputs]
        for spec in runtime.outputs:
            pairs = zip(spec.shape, given[spec.name].shape, strict=True)
            assert all(size in {-1, seen} for size, seen in pairs)
        return list(given.values())


def test_keras(converted: Path, models: Path) -> None:
    import keras

    x = RANDOM.normal(size=(12, 64, 18)).astype(np.float32)
    model = keras.saving.load_model(models / "keras" / "tf_model.keras", compile=False)
    (given,) = served(converted / "keras", x=x)
    assert close(given, np.asarray(model(x, training=False)))


def test_keras_2(converted: Path, models: Path) -> None:
    import keras

    x = RANDOM.normal(size=(50, 3)).astype(np.float32)
    model = keras.saving.load_model(models / "keras" / "baseline-model.h5", compile=False)
    (given,) = served(converted / "h5", x=x)
    assert close(given, np.asarray(model(x, training=False)))


def test_saved_model(converted: Path, models: Path) -> None:
    import tensorflow as tf

    model = tf.saved_model.load(str(models / "saved_model" / "half_plus_two_tf2" / "00000123"))
    x = np.array([5.5], np.float32)
    (given,) = served(converted / "saved", x=x)
    assert close(given, model.signatures["serving_default"](x=tf.constant(x))["y"].numpy())
    assert given.tolist() == [4.75]


@pytest.mark.parametrize("name", ["frozen", "found"])
def test_frozen_graph(converted: Path, models: Path, name: str) -> None:
    import tensorflow as tf

    x = RANDOM.normal(size=(50, 80)).astype(np.float32)
    graph = tf.Graph()
    with graph.as_default():
        definition = tf.compat.v1.GraphDef.FromString((models / "frozen_graph" / "tau_3layer.pb").read_bytes())
        tf.import_graph_def(definition, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            expected = session.run("dense_4/Sigmoid:0", {"input_1:0": x})
    (given,) = served(converted / name, x=x)
    assert close(given, expected)
    with opened(converted / name) as runtime:
        assert [spec.name for spec in (*runtime.inputs, *runtime.outputs)] == ["input_1", "dense_4/Sigmoid"]


def test_torchscript_with_config(converted: Path, models: Path) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(str(models / "torchscript" / "pn_test" / "1" / "model.pt")).eval()
    with opened(converted / "script") as runtime:
        assert [spec.name for spec in runtime.inputs] == ["points", "features", "mask"]
        assert [spec.shape for spec in runtime.inputs] == [(-1, 2, -1), (-1, 5, -1), (-1, 1, -1)]
        assert runtime.outputs[0].name == "output"
        for rows, particles in ((1, 128), (5, 40)):
            arrays = [RANDOM.normal(size=(rows, depth, particles)).astype(np.float32) for depth in (2, 5)]
            arrays.append((RANDOM.random((rows, 1, particles)) < 0.8).astype(np.float32))
            with torch.inference_mode():
                expected = module(*map(torch.from_numpy, arrays)).numpy()
            names = ("points", "features", "mask")
            given = runtime.run(dict(zip(names, arrays, strict=True)), timeout=60)["output"]
            assert close(given, expected)


def test_xgboost(converted: Path, models: Path) -> None:
    import xgboost

    booster = xgboost.Booster(model_file=models / "xgboost" / "xgboost_example.ubj")
    x = RANDOM.normal(size=(300, 16)).astype(np.float32) * 3
    x[::5, 3] = np.nan
    matrix = xgboost.DMatrix(x, feature_names=booster.feature_names)
    (given,) = served(converted / "xgboost", x=x)
    assert close(given[:, 0], booster.predict(matrix))


def test_onnx_of_one_row_takes_many(converted: Path, models: Path) -> None:
    session = onnxruntime.InferenceSession(str(models / "onnx" / "jet_tagger_16x5.onnx"))
    name = session.get_inputs()[0].name
    x = RANDOM.normal(size=(30, 16)).astype(np.float32)
    expected = np.concatenate([session.run(None, {name: row[None]})[0] for row in x])
    (given,) = served(converted / "jets", x=x)
    assert close(given, expected)
    with opened(converted / "jets") as runtime:
        assert runtime.batched


def test_onnx_with_config(converted: Path) -> None:
    a, b = (RANDOM.integers(-50, 50, (4, 16)).astype(np.int32) for _ in range(2))
    total, difference = served(converted / "triton", a=a, b=b)
    assert np.array_equal(total, a + b)
    assert np.array_equal(difference, a - b)
