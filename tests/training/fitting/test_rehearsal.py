"""What could not be loaded again is found out before the training, and what is published has been read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mlaas4hep.errors import ModelFileError
from mlaas4hep.frameworks.native import NativeModel
from mlaas4hep.frameworks.scorer import Loading
from mlaas4hep.training.backends import backend_for
from mlaas4hep.training.events.base import Arrays
from mlaas4hep.training.fitting.native import save_native
from mlaas4hep.training.fitting.rehearsal import few_of, rehearse
from mlaas4hep.training.user_code.user_model import load_model_file
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings, run_onnx, train_and_validation

OWN_ESTIMATOR = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
class Mine(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        self.classes_ = np.unique(y)
        self.n_features_in_ = x.shape[1]
        return self
    def predict_proba(self, x):
        p = 1 / (1 + np.exp(-x[:, :1]))
        return np.hstack([1 - p, p])
    def predict(self, x):
        return (self.predict_proba(x)[:, 1] > 0.5).astype(int)
def model():
    return Mine()
"""
OWN_FUNCTION = """
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
def squared(x):
    return x * x
def model():
    return make_pipeline(FunctionTransformer(squared), LogisticRegression())
"""
SUBCLASS = """
import keras
class Net(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.inner = keras.layers.Dense(8, activation="relu")
        self.last = keras.layers.Dense(1, activation="sigmoid")
    def call(self, x):
        return self.last(self.inner(x))
{fit}
def model(idim):
    net = Net(idim)
    net.compile("adam", "binary_crossentropy")
    return net
"""
OWN_FIT = """
    def fit(self, x, y, epochs=1, batch_size=32):
        for _ in range(epochs):
            for start in range(0, len(x), batch_size):
                self.train_on_batch(x[start:start + batch_size], y[start:start + batch_size])
"""
OWN_LAYER = """
import keras
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x
def model(idim):
    m = keras.Sequential([Doubled(), keras.layers.Dense(1, activation="sigmoid")])
    m.compile("adam", "binary_crossentropy")
    return m
"""
LIGHTGBM = """
from lightgbm import {kind}
def model():
    return {kind}(n_estimators=20, verbose=-1)
"""
FREEFORM = "from sklearn.{module} import {name}\ndef model():\n    return {name}({options})\n"


def module_of(text: str, folder: Path) -> Any:
    source = folder / "model.py"
    source.write_text(text)
    return load_model_file(source)


def built(module: Any) -> Any:
    try:
        return module.model(4)
    except TypeError:
        return module.model()


@pytest.mark.parametrize("text", [OWN_ESTIMATOR, OWN_FUNCTION], ids=["estimator", "function"])
def test_a_model_that_nobody_could_load_is_refused_before_the_training(text: str, tmp_path: Path) -> None:
    module = module_of(text, tmp_path)
    model = built(module)
    few = few_of(MemoryEvents(make_sample(500)), 2)
    assert few is not None
    with pytest.raises(ModelFileError, match=r"not loaded again: as sklearn model: .*not trusted.*as ONNX"):
        rehearse(backend_for(model), model, few, fit_settings(tmp_path, module=module), tmp_path / "model.py")
    assert not any(name.endswith("_") and not name.startswith("_") for name in vars(model))  # untouched


@pytest.mark.parametrize(
    ("text", "task", "files"),
    [
        (SUBCLASS.format(fit=""), "binary", {"model.weights.npz", "model.py"}),
        (SUBCLASS.format(fit=OWN_FIT), "binary", {"model.weights.npz", "model.py"}),
        (OWN_LAYER, "binary", {"model.weights.npz", "model.py"}),
        (LIGHTGBM.format(kind="LGBMClassifier"), "binary", {"model.txt"}),
        (LIGHTGBM.format(kind="LGBMClassifier"), "multiclass", {"model.txt"}),
        (LIGHTGBM.format(kind="LGBMRegressor"), "regression", {"model.txt"}),
    ],
    ids=["subclass", "subclass with fit", "layer", "lightgbm", "lightgbm classes", "lightgbm regression"],
)
def test_what_the_user_defines_is_kept_so_that_it_can_be_loaded(
    text: str, task: Any, files: set[str], tmp_path: Path
) -> None:
    pytest.importorskip("lightgbm" if "lightgbm" in text else "keras")
    module = module_of(text, tmp_path)
    model = built(module)
    backend = backend_for(model)
    classes = {"binary": 2, "multiclass": 3, "regression": 0}[task]
    warnings: list[str] = []
    settings = fit_settings(tmp_path, module=module, task=task, classes=classes, warn=warnings.append)
    train, validation = train_and_validation(task)
    few = few_of(train, classes)
    assert few is not None
    rehearse(backend, model, few, settings, tmp_path / "model.py")
    assert warnings == []
    model, _ = backend.fit(model, train, validation, settings)
    x = make_sample(700, task=task, seed=9).x
    scores = backend.predict(model, x, task)
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        save_native(backend, model, folder, tmp_path / "model.py", task, None)
        assert {path.name for path in folder.iterdir()} == files | {"about.json"}
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]
    loaded = NativeModel(tmp_path / "one", Loading(task, 4, trust_code=True), backend.name)
    assert np.abs(loaded.scores(x) - scores).max() < 1e-5
    assert np.abs(run_onnx(backend.to_onnx(model, 4, task), x) - scores).max() < 1e-5


@pytest.mark.parametrize(
    ("module", "name", "options"),
    [
        ("ensemble", "StackingClassifier", "[('a', __import__('sklearn.naive_bayes').naive_bayes.GaussianNB())]"),
        ("neighbors", "KNeighborsClassifier", "n_neighbors=200"),
        ("svm", "LinearSVC", ""),
    ],
)
def test_scikit_learns_own_models_pass_the_rehearsal(module: str, name: str, options: str, tmp_path: Path) -> None:
    loaded = module_of(FREEFORM.format(module=module, name=name, options=options), tmp_path)
    model = built(loaded)
    warnings: list[str] = []
    settings = fit_settings(tmp_path, module=loaded, warn=warnings.append)
    train, validation = train_and_validation()
    few = few_of(train, 2)
    assert few is not None
    rehearse(backend_for(model), model, few, settings, tmp_path / "model.py")
    trained, _ = backend_for(model).fit(model, train, validation, settings)
    assert warnings == []
    assert len(backend_for(model).predict(trained, make_sample(50).x, "binary")) == 50


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("LGBMClassifier", "binary"),
        ("LGBMClassifier", "multiclass"),
        ("LGBMRegressor", "regression"),
    ],
)
def test_lightgbm_within_a_pipeline_is_converted(text: str, task: Any, tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    source = LIGHTGBM.format(kind=text).replace("return ", "return make_pipeline(StandardScaler(), ").rstrip() + ")"
    source += "\nfrom sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import StandardScaler\n"
    module = module_of(source, tmp_path)
    classes = {"binary": 2, "multiclass": 3, "regression": 0}[task]
    warnings: list[str] = []
    settings = fit_settings(tmp_path, module=module, task=task, classes=classes, warn=warnings.append)
    model = built(module)
    backend = backend_for(model)
    train, validation = train_and_validation(task)
    few = few_of(train, classes)
    assert few is not None
    rehearse(backend, model, few, settings, tmp_path / "model.py")
    assert len(warnings) == 1
    assert "only the ONNX model can be used" in warnings[0]
    trained, _ = backend.fit(model, train, validation, settings)
    x = make_sample(700, task=task, seed=9).x
    direct = trained.predict(x) if task == "regression" else trained.predict_proba(x)
    direct = {"binary": lambda: direct[:, 1:], "multiclass": lambda: direct}.get(task, lambda: direct[:, None])()
    assert np.abs(run_onnx(backend.to_onnx(trained, 4, task), x) - direct).max() < 1e-5


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("classes", [3, 4])
def test_decision_values_for_pairs_of_classes_are_refused_before_the_training(
    classes: int, wrapped: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(classes), 50)
    x = rng.normal(size=(len(y), 4)).astype(np.float32)
    x[np.arange(len(y)), y] += 3
    few = few_of(MemoryEvents(Arrays(x, y, np.ones(len(y), np.float32))), classes)
    assert few is not None
    settings = fit_settings(tmp_path, task="multiclass", classes=classes)
    for shape in ("ovo", "ovr"):
        model: Any = SVC(decision_function_shape=shape)
        if wrapped:
            model = make_pipeline(StandardScaler(), model)
        if shape == "ovr":
            rehearse(backend_for(model), model, few, settings, tmp_path / "model.py")
            continue
        with pytest.raises(
            ModelFileError, match=r"do not stand for the . classes but may stand for pairs of them"
        ) as no:
            rehearse(backend_for(model), model, few, settings, tmp_path / "model.py")
        assert 'decision_function_shape="ovr"' in str(no.value.hint)
