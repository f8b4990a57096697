"""SavedModels: captured constants, variables, several signatures, tables, TensorFlow 1, what Keras exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.foreign_models import close, convert_here, opened

pytestmark = pytest.mark.filterwarnings("ignore")
RANDOM = np.random.default_rng(6)
X = RANDOM.normal(size=(20, 3)).astype(np.float32)


def captured() -> Any:
    """A module with a constant and a variable, and two functions."""
    import tensorflow as tf

    rows = tf.TensorSpec((None, 3), tf.float32, "x")

    class Captured(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.constant = tf.constant(RANDOM.normal(size=(3, 100)).astype(np.float32))
            self.variable = tf.Variable(tf.fill((100,), 0.5))

        @tf.function(input_signature=[rows])  # type: ignore[untyped-decorator]
        def product(self, x: Any) -> Any:
            return {"y": tf.matmul(x, self.constant) * self.variable}

        @tf.function(input_signature=[rows])  # type: ignore[untyped-decorator]
        def total(self, x: Any) -> Any:
            return {"z": tf.reduce_sum(x, 1) + tf.reduce_sum(self.constant)}

    return Captured()


def check(tmp_path: Path, runtime: str, expected: Any, params: dict[str, Any] | None = None, x: Any = X) -> None:
    served = convert_here(tmp_path / "saved", tmp_path / "1", params)
    assert (served["runtime"], bool(served["reason"])) == (runtime, runtime == "worker"), served["reason"]
    with opened(tmp_path / "1") as opened_:
        (found,) = opened_.run({opened_.inputs[0].name: x}, timeout=100).values()
    assert close(found, np.asarray(expected))


@pytest.mark.parametrize("signature", ["", "other"])
def test_captured_constants_stay_constants(tmp_path: Path, signature: str) -> None:
    import tensorflow as tf

    module = captured()
    signatures = {"serving_default": module.product, "other": module.total}
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=signatures)
    expected = module.total(X)["z"] if signature else module.product(X)["y"]
    check(tmp_path, "onnx", expected, {"signature": signature} if signature else {})


def test_normalisation_that_keras_exports(tmp_path: Path) -> None:
    import keras

    layer = keras.layers.Normalization()
    layer.adapt(X * 5 + 2)
    model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
    model.export(tmp_path / "saved", verbose=False)
    check(tmp_path, "onnx", model(X, training=False))


def test_tables_are_served_by_tensorflow_and_the_reason_is_said(tmp_path: Path) -> None:
    import tensorflow as tf

    class Table(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            pairs = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), tf.constant([1.0, 2.0]))
            self.table = tf.lookup.StaticHashTable(pairs, -1.0)

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "x")])  # type: ignore[untyped-decorator]
        def look_up(self, x: Any) -> Any:
            return {"y": self.table.lookup(x)}

    module = Table()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.look_up)
    check(tmp_path, "worker", [2.0, -1.0, 1.0], x=np.array(["b", "c", "a"], object))


def test_a_model_of_tensorflow_1(tmp_path: Path) -> None:
    import tensorflow as tf

    one = tf.compat.v1
    with tf.Graph().as_default(), one.Session() as session:
        x = one.placeholder(tf.float32, [None, 3], "x")
        y = tf.nn.softmax(tf.matmul(x, one.get_variable("w", [3, 2])))
        session.run(one.global_variables_initializer())
        one.saved_model.simple_save(session, str(tmp_path / "saved"), {"x": x}, {"y": y})
        expected = session.run(y, {x: X})
    check(tmp_path, "onnx", expected)


def test_a_batch_of_one_size_is_freed(tmp_path: Path) -> None:
    import tensorflow as tf

    class Fixed(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(RANDOM.normal(size=(3, 2)).astype(np.float32))

        @tf.function(input_signature=[tf.TensorSpec((4, 3), tf.float32, "x")])  # type: ignore[untyped-decorator]
        def dense(self, x: Any) -> Any:
            return {"y": x @ self.weights}

    module = Fixed()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.dense)
    check(tmp_path, "onnx", X @ module.weights.numpy())
