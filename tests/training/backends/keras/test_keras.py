"""Keras on TensorFlow; one file, since TensorFlow takes seconds to import."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors import FileReadError, ModelFileError
from mlaas4hep.training.backends.keras.backend import KerasBackend
from mlaas4hep.training.events.base import Arrays
from mlaas4hep.training.user_code.old_keras import old_keras_names
from mlaas4hep.training.user_code.user_model import build_model, load_model_file
from tests.support.events import make_sample
from tests.support.fitting import MODELS, auc, fit_settings, interrupted_after, run_onnx, train_and_validation

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

BACKEND = KerasBackend()
Dense = keras.layers.Dense


def net(*layers: Callable[[], Any], compiled: Any = None) -> Any:
    """A new network of layers made after seeding: what is built is the same every time."""
    BACKEND.seed(3, 1)
    model = keras.Sequential([keras.Input((4,)), Dense(8, activation="relu"), *(make() for make in layers)])
    if compiled:
        model.compile(optimizer="adam", loss=compiled)
    return model


def by_hand(model: Any, train: Any, epochs: int, labels: Callable[[Any], Any]) -> Any:
    """train_on_batch, batch by batch."""
    keras.utils.set_random_seed(3)
    for epoch in range(epochs):
        for batch in train.batches(64, epoch):
            model.train_on_batch(batch.x, labels(batch.y), sample_weight=batch.weight)
    return model


def column(y: Any) -> Any:
    return y[:, None].astype(np.float32)


def one_hot(y: Any) -> Any:
    return np.eye(int(y.max()) + 1, dtype=np.float32)[y]


def sigmoid(raw: Any) -> Any:
    return 1 / (1 + np.exp(-raw))


def softmax(raw: Any) -> Any:
    return np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)


# name: task, classes, layers, loss given by the user, loss to be chosen, labels, scores from outputs
CASES: dict[str, tuple[Any, int, Any, Any, Any, Any, Any]] = {
    "sigmoid": ("binary", 2, lambda: Dense(1, activation="sigmoid"), None, "binary_crossentropy", column, lambda o: o),
    "logit": ("binary", 2, lambda: Dense(1), None, keras.losses.BinaryCrossentropy(from_logits=True), column, sigmoid),
    "softmax": (
        "binary",
        2,
        lambda: Dense(2, activation="softmax"),
        "categorical_crossentropy",
        None,
        one_hot,
        lambda o: o[:, 1:],
    ),
    "sparse": (
        "binary",
        2,
        lambda: Dense(2, activation="softmax"),
        "sparse_categorical_crossentropy",
        None,
        lambda y: y,
        lambda o: o[:, 1:],
    ),
    "two sigmoids": (
        "binary",
        2,
        lambda: Dense(2, activation="sigmoid"),
        "binary_crossentropy",
        None,
        one_hot,
        lambda o: o[:, 1:],
    ),
    "three logits": (
        "multiclass",
        3,
        lambda: Dense(3),
        None,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        lambda y: y,
        softmax,
    ),
    "one-hot logits": (
        "multiclass",
        3,
        lambda: Dense(3),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        None,
        one_hot,
        softmax,
    ),
    "regression": ("regression", 0, lambda: Dense(1), None, "mean_squared_error", column, lambda o: o),
}


@pytest.mark.parametrize("case", CASES)
def test_as_by_hand(case: str, tmp_path: Path) -> None:
    task, classes, last, given, chosen, labels, scores_of = CASES[case]
    weights = case != "sparse"
    data = train_and_validation(task, weights=weights)
    settings = fit_settings(tmp_path, task=task, classes=classes, epochs=2)
    model, history = BACKEND.fit(net(last, compiled=given), *data, settings)
    other = by_hand(net(last, compiled=given or chosen), data[0], 2, labels)
    x = make_sample(300, task=task, seed=9).x
    scores = BACKEND.predict(model, x, task)
    assert scores.shape == (300, 3 if task == "multiclass" else 1)
    assert scores.dtype == np.float32
    assert np.allclose(scores, scores_of(np.asarray(other(x))), atol=1e-5)
    valid = data[1].data
    loss = other.evaluate(valid.x, labels(valid.y), sample_weight=valid.weight, verbose=0, return_dict=True)["loss"]
    assert history.curves["val_loss"][-1] == pytest.approx(loss * 400 / valid.weight.sum(), rel=1e-4)
    onnx_scores = run_onnx(BACKEND.to_onnx(model, 4, task), x)
    assert onnx_scores.shape == scores.shape
    assert np.abs(onnx_scores - scores).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "epochs"), [("keras_mlp", 10), ("keras_softmax", 10), ("talk_keras", 10), ("keras_own_fit", 4)]
)
def test_example_file(name: str, epochs: int, tmp_path: Path) -> None:
    contents, scores = [], []
    test = make_sample(2000, seed=9)
    for number in (1, 2) if name == "keras_mlp" else (1,):
        notes: list[str] = []
        BACKEND.seed(3, 1)
        model = build_model(load_model_file(MODELS / f"{name}.py", warn=notes.append), 4, warn=notes.append)
        model, history = BACKEND.fit(model, *train_and_validation(), fit_settings(tmp_path, epochs=epochs))
        folder = tmp_path / str(number)
        folder.mkdir()
        BACKEND.save(model, folder, MODELS / f"{name}.py")
        own = "model.weights.npz" if name == "keras_own_fit" else "model.keras"
        contents.append((folder / own).read_bytes())
        scores.append(BACKEND.predict(model, test.x, "binary"))
    assert notes == (["Adam(lr=...) is the old name of Adam(learning_rate=...)"] if name == "talk_keras" else [])
    assert contents[0] == contents[-1]
    assert (scores[0] == scores[-1]).all()
    assert auc(scores[0], test.y) > 0.9
    assert history.epochs == epochs
    if name == "keras_own_fit":  # of a class of its own, which only the code can build
        loaded: Any = build_model(load_model_file(tmp_path / "1" / "model.py"), 4)
        loaded(test.x[:2])
        with np.load(tmp_path / "1" / "model.weights.npz") as arrays:
            loaded.set_weights([arrays[key] for key in sorted(arrays.files)])
    else:
        loaded = keras.saving.load_model(tmp_path / "1" / "model.keras")
    assert (BACKEND.predict(loaded, test.x, "binary") == scores[0]).all()
    assert np.abs(run_onnx(BACKEND.to_onnx(model, 4, "binary"), test.x) - scores[0]).max() < 1e-5


def sigmoid_layer() -> Any:
    return Dense(1, activation="sigmoid")


def noisy() -> Any:
    layers = keras.layers
    return net(layers.BatchNormalization, lambda: layers.Dropout(0.3), sigmoid_layer)


@pytest.mark.parametrize("patience", [None, 2])
def test_resuming_gives_the_same_model(patience: int | None, tmp_path: Path) -> None:
    settings = fit_settings(tmp_path, epochs=4, early_stopping=patience)
    data = train_and_validation(weights=True)
    whole, history = BACKEND.fit(noisy(), *data, replace(settings, checkpoint=tmp_path / "other"))
    expected = [np.asarray(v) for v in whole.variables]
    with interrupted_after(1) as changes:
        BACKEND.fit(noisy(), *data, replace(settings, **changes))
    resumed, again = BACKEND.fit(noisy(), *data, replace(settings, resume=True))
    assert all((np.asarray(v) == e).all() for v, e in zip(resumed.variables, expected, strict=True))
    assert again == history


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path) -> None:
    model = net(sigmoid_layer)
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss="binary_crossentropy", metrics=["accuracy"])
    data = train_and_validation()
    model, history = BACKEND.fit(model, *data, fit_settings(tmp_path, epochs=100, early_stopping=2))
    losses = history.curves["val_loss"]
    assert history.stopped_early
    assert int(np.argmin(losses)) == len(losses) - 3
    assert set(history.curves) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    found = model.evaluate(data[1].data.x, column(data[1].data.y), verbose=0, return_dict=True)["loss"]
    assert found == pytest.approx(min(losses), rel=1e-5)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    data = train_and_validation()
    BACKEND.fit(net(lambda: Dense(1)), *data, fit_settings(tmp_path, epochs=1))
    with pytest.raises(ModelFileError, match="the checkpoint belongs to another model"):
        BACKEND.fit(noisy(), *data, fit_settings(tmp_path, epochs=2, resume=True))


def test_progress(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []

    def progress(epoch: int, done: int, figures: dict[str, float]) -> None:
        assert figures["loss"] > 0
        calls.append((epoch, done))

    train, validation = train_and_validation()
    BACKEND.fit(net(lambda: Dense(1)), train, validation, fit_settings(tmp_path, epochs=2, progress=progress))
    assert calls == [(epoch, min(64 * step, 1200)) for epoch in (0, 1) for step in range(1, 20)]
    assert not train.loads


def test_a_model_without_names_for_its_logits(tmp_path: Path) -> None:
    class Functional(keras.Model):  # type: ignore[name-defined]
        def __init__(self, squash: bool) -> None:
            super().__init__()
            self.squash = squash
            self.out = Dense(1)

        def call(self, inputs: Any) -> Any:
            return keras.ops.sigmoid(self.out(inputs)) if self.squash else self.out(inputs)

    for squash in (True, False):
        BACKEND.seed(3, 1)
        model, _ = BACKEND.fit(Functional(squash), *train_and_validation(), fit_settings(tmp_path, epochs=1))
        assert model.loss.from_logits is not squash


def test_errors_of_reading_come_through(tmp_path: Path) -> None:
    class Broken(type(train_and_validation()[0])):  # type: ignore[misc]
        def chunks(self, epoch: int = 0) -> Iterator[Arrays]:
            yield next(super().chunks(epoch))
            raise FileReadError("basket is damaged", where="some.root")

    train, validation = train_and_validation()
    with pytest.raises(FileReadError, match=r"some.root: basket is damaged"):
        BACKEND.fit(net(lambda: Dense(1)), Broken(train.data), validation, fit_settings(tmp_path, epochs=1))


@pytest.mark.parametrize(
    ("outputs", "task", "classes", "message"),
    [
        (3, "binary", 2, "the Keras model has 3 outputs, a binary task needs 1 or 2; change its last layer"),
        (1, "multiclass", 3, "the Keras model has 1 outputs, 3 classes needs 3"),
        (2, "regression", 0, "the Keras model has 2 outputs, a regression task needs 1"),
    ],
)
def test_outputs_that_do_not_fit(outputs: int, task: Any, classes: int, message: str, tmp_path: Path) -> None:
    settings = fit_settings(tmp_path, task=task, classes=classes)
    with pytest.raises(ModelFileError, match=message):
        BACKEND.fit(net(lambda: Dense(outputs)), *train_and_validation(task), settings)


def test_models_that_cannot_be_used(tmp_path: Path) -> None:
    wide = keras.Sequential([keras.Input((7,)), Dense(1)])
    with pytest.raises(ModelFileError, match="the Keras model cannot be called: ValueError"):
        BACKEND.fit(wide, *train_and_validation(), fit_settings(tmp_path))
    with pytest.raises(ModelFileError, match="the Keras model cannot be trained"):
        BACKEND.fit(net(lambda: Dense(2), compiled="poisson_typo"), *train_and_validation(), fit_settings(tmp_path))
    inputs = keras.Input((4,))
    two = keras.Model(inputs, [Dense(1)(inputs), Dense(1)(inputs)])
    with pytest.raises(ModelFileError, match="must give one output"):
        BACKEND.fit(two, *train_and_validation(), fit_settings(tmp_path))


def test_own_fit_gets_what_it_takes(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    class Own(keras.Sequential):  # type: ignore[name-defined]
        def fit(self, x: Any, y: Any, sample_weight: Any = None, validation_data: Any = None, epochs: int = 0) -> None:
            seen.update(x=x, y=y, sample_weight=sample_weight, validation_data=validation_data, epochs=epochs)

    train, validation = train_and_validation(weights=True)
    model = Own([keras.Input((4,)), Dense(2, activation="softmax")])
    model.compile(loss="categorical_crossentropy")
    _, history = BACKEND.fit(model, train, validation, fit_settings(tmp_path, epochs=7))
    assert seen["epochs"] == 7
    mixed = list(train.chunks(0))
    assert (seen["x"] == np.concatenate([chunk.x for chunk in mixed])).all()
    assert (seen["y"] == one_hot(np.concatenate([chunk.y for chunk in mixed]))).all()
    assert (seen["sample_weight"] == np.concatenate([chunk.weight for chunk in mixed])).all()
    assert [len(part) for part in seen["validation_data"]] == [400, 400, 400]
    assert set(history.curves) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_own_fit_that_fails_or_lacks_something(tmp_path: Path) -> None:
    class Own(keras.Sequential):  # type: ignore[name-defined]
        def fit(self, x: Any, y: Any) -> None:  # noqa: ARG002
            raise RuntimeError("no way")

    warnings: list[str] = []
    model = Own([keras.Input((4,)), Dense(1, activation="sigmoid")])
    settings = fit_settings(tmp_path, order="chunk", warn=warnings.append)
    with pytest.raises(ModelFileError, match="the Keras model's own fit failed: RuntimeError: no way"):
        BACKEND.fit(model, *train_and_validation(weights=True), settings)
    assert warnings == [
        "the Keras model has its own fit, which decides the order and when to stop",
        "the Keras model's own fit takes no sample_weight: all events count the same in training",
    ]


class TestOldNames:
    def test_lr_and_decay(self) -> None:
        notes: list[str] = []
        before = keras.optimizers.Optimizer.__init__
        with old_keras_names(notes.append):
            assert float(keras.optimizers.Adam(lr=0.02).learning_rate) == pytest.approx(0.02)
            assert float(keras.optimizers.SGD(lr=0.02, momentum=0.9).learning_rate) == pytest.approx(0.02)
            assert float(keras.optimizers.Adam(0.03, decay=0).learning_rate) == pytest.approx(0.03)
            decayed = keras.optimizers.Adam(lr=0.02, decay=0.5)
        assert notes == [
            "Adam(lr=...) is the old name of Adam(learning_rate=...)",
            "SGD(lr=...) is the old name of SGD(learning_rate=...)",
            "Adam(lr=...) is the old name of Adam(learning_rate=...)",
            "Adam(decay=...) is no longer part of Keras; used as the schedule learning_rate / (1 + decay * step)",
        ]
        decayed.iterations.assign(4)
        assert float(decayed.learning_rate) == pytest.approx(0.02 / (1 + 0.5 * 4))
        assert keras.optimizers.Optimizer.__init__ is before
        with pytest.raises((ValueError, TypeError)):
            keras.optimizers.Adam(lr=0.02)

    def test_other_arguments_are_still_refused(self) -> None:
        notes: list[str] = []
        with old_keras_names(notes.append), pytest.raises((ValueError, TypeError), match="lrr"):
            keras.optimizers.Adam(lrr=0.02)

    def test_modules(self, tmp_path: Path) -> None:
        path = tmp_path / "model.py"
        path.write_text(
            "import tensorflow as tf\n"
            "from keras.optimizers.legacy import Adam\n"
            "from tensorflow.keras.optimizers.legacy import SGD\n"
            "from keras.utils.np_utils import to_categorical\n"
            "from tensorflow.keras.utils.np_utils import to_categorical as other\n"
            "from keras.utils import np_utils\n"
            "def model():\n"
            "    return Adam(), SGD(), tf.keras.optimizers.legacy.RMSprop(), np_utils.to_categorical([1])\n"
        )
        model: Any = build_model(load_model_file(path), 4)
        assert [type(item).__name__ for item in model[:3]] == ["Adam", "SGD", "RMSprop"]
        assert model[3].tolist() == [[0.0, 1.0]]
        assert not hasattr(keras.utils, "np_utils")

    def test_they_are_gone_after_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "model.py"
        path.write_text("import keras\nraise RuntimeError('x')\n")
        before = keras.optimizers.Optimizer.__init__
        with pytest.raises(ModelFileError):
            load_model_file(path)
        assert keras.optimizers.Optimizer.__init__ is before
