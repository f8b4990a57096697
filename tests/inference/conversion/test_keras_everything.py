"""Every layer class and every operation of Keras that can stand in a model is loaded and gives what Keras gives."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Source
from mlaas4hep.frameworks.loading import load_native

pytestmark = pytest.mark.filterwarnings("ignore")
RANDOM = {"image.elastic_transform"}
"""What it gives differs from call to call."""


def outcome(path: Path, name: str, model: Any) -> str:
    """What is wrong with a saved model; "" if it gives what Keras gives, or if Keras cannot read it either."""
    import keras

    from tests.support.keras_models import values_for

    given = values_for(model)
    model.save(path)
    try:
        loaded = keras.saving.load_model(path, compile=False)
        result = loaded(given if len(given) > 1 else given[0], training=False)
        expected = [np.asarray(value) for value in keras.tree.flatten(result)]
    except Exception:  # not ours to mend
        return ""
    try:
        native = load_native(Source("keras", path))
    except MLaaS4HEPError as error:
        return f"{name} is refused: {error}"
    found = native.run({spec.name: array for spec, array in zip(native.inputs, given, strict=True)})
    if name in RANDOM:
        return ""
    for array, wanted in zip(found.values(), expected, strict=True):
        same = array.shape == wanted.shape
        if wanted.dtype.kind in "fiuc":
            same = same and np.allclose(array, wanted, 1e-5, 1e-6, equal_nan=True)
        if not same:
            return f"{name} gives something else"
    return ""


def outcomes(folder: Path, names: list[str], build: Callable[[str], Any]) -> tuple[int, list[str]]:
    models = [(name, build(name)) for name in names]
    wrong = [outcome(folder / "m.keras", name, model) for name, model in models if model is not None]
    return len(wrong), [text for text in wrong if text]


def test_all_layers_of_keras(tmp_path: Path) -> None:
    from tests.support.keras_models import layer_names, model_of_layer

    number, wrong = outcomes(tmp_path, layer_names(), model_of_layer)
    assert wrong == []
    assert number > 120


def test_all_operations_of_keras(tmp_path: Path) -> None:
    from tests.support.keras_models import model_of_operation, operation_names

    number, wrong = outcomes(tmp_path, operation_names(), model_of_operation)
    assert wrong == []
    assert number > 250


def test_code_in_a_keras_file_stays_refused(tmp_path: Path) -> None:
    import keras

    @keras.saving.register_keras_serializable("mine")
    class Twice(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    x = keras.Input((3,))
    for layer, reason in (
        (keras.layers.Lambda(lambda t: t * 2), "a Lambda layer, whose function"),
        (Twice(), r"not Keras' own \(Twice\)"),
    ):
        keras.Model(x, layer(x)).save(tmp_path / "m.keras")
        with pytest.raises(ModelRefusedError, match=reason):
            load_native(Source("keras", tmp_path / "m.keras"))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.src.utils.file_utils", "get_file"),
        ("keras.utils", "get_file"),
        ("keras.src.export.tfsm_layer", "TFSMLayer"),
        ("keras.layers", "TFSMLayer"),
        ("keras.src.utils.torch_utils", "TorchModuleWrapper"),
        ("keras.src.saving.saving_lib", "load_model"),
        ("keras.src.layers.core.lambda_layer", "Lambda"),
        ("keras.src.layers.core.dense", "np"),
        ("os", "system"),
        ("keras.os", "system"),
        ("keras..layers", "Dense"),
    ],
)
def test_what_is_in_keras_but_does_more_than_compute(tmp_path: Path, module: str, name: str) -> None:
    config = {"class_name": "Functional", "config": {"layers": [{"module": module, "class_name": name, "config": {}}]}}
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", "{}")
    with pytest.raises(ModelRefusedError, match=r"not Keras' own|a Lambda layer"):
        load_native(Source("keras", tmp_path / "m.keras"))
