from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.keras.files import load_native
from mlaas4hep.frameworks.scorer import Loading

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(1).normal(size=(1500, 3)).astype(np.float32)
LOADING = Loading("binary", 3)


def test_a_model_of_built_in_layers(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(1e-3))
    model.save(tmp_path / "model.keras")
    predict, output = load_native(tmp_path, LOADING)
    assert output == "probability"
    first, _, last = model.layers
    hidden = np.maximum(X @ first.kernel.numpy() + first.bias.numpy(), 0)
    expected = hidden @ last.kernel.numpy() + last.bias.numpy()
    np.testing.assert_allclose(predict(X), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predict(X[:1]), expected[:1], rtol=1e-4, atol=1e-5)


def test_a_model_of_two_ways(tmp_path: Path) -> None:
    """The functional form, whose file holds references to tensors."""
    import keras

    given = keras.Input((3,))
    model = keras.Model(given, keras.layers.Add()([given, keras.layers.Dense(3)(given)]))
    model.save(tmp_path / "model.keras")
    predict, _ = load_native(tmp_path, LOADING)
    kernel = model.layers[1].kernel.numpy()
    np.testing.assert_allclose(predict(X), X + X @ kernel, rtol=1e-4, atol=1e-5)


def test_a_lambda_is_refused(tmp_path: Path) -> None:
    import keras

    keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1)]).save(tmp_path / "model.keras")
    with pytest.raises(ModelRefusedError, match=r"Lambda.*only Keras' own layers"):
        load_native(tmp_path, LOADING)


def test_a_layer_of_its_own_is_refused(tmp_path: Path) -> None:
    import keras

    @keras.saving.register_keras_serializable("mine")
    class Own(keras.layers.Layer):
        def call(self, x: object) -> object:
            return x

    keras.Sequential([keras.Input((3,)), Own()]).save(tmp_path / "model.keras")
    with pytest.raises(ModelRefusedError, match=r"layers that are not Keras' own \(Own\)"):
        load_native(tmp_path, LOADING)


def test_a_loss_from_logits_says_what_the_outputs_are(tmp_path: Path) -> None:
    import keras

    for outputs, loss, expected in (
        (1, keras.losses.BinaryCrossentropy(from_logits=True), "sigmoid"),
        (3, keras.losses.SparseCategoricalCrossentropy(from_logits=True), "softmax"),
        (3, keras.losses.CategoricalCrossentropy(), "probability"),
    ):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(outputs)])
        model.compile(loss=loss)
        model.save(tmp_path / "model.keras")
        assert load_native(tmp_path, LOADING)[1] == expected
