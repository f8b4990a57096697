"""Keras models whose inputs and outputs go by keys, and operations that only one of Keras' formats can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.errors.serving import ModelRefusedError
from tests.support.foreign_models import close, convert_here, opened

keras: Any = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
RANDOM = np.random.default_rng(2)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("keys", [("jets", "event"), ("event", "jets")])
def test_inputs_and_outputs_by_keys(tmp_path: Path, keys: tuple[str, str]) -> None:
    inputs = {key: keras.Input((3 if key == "jets" else 1,), name=key) for key in keys}
    joined = keras.layers.Concatenate()([inputs["jets"], inputs["event"]])
    outputs = {"signal": keras.layers.Dense(1)(joined), "classes": keras.layers.Dense(2)(joined)}
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "m.keras")
    served = convert_here(tmp_path / "m.keras", tmp_path / "1")
    assert (served["runtime"], served["reason"]) == ("onnx", "")
    given = {
        "jets": RANDOM.normal(size=(7, 3)).astype(np.float32),
        "event": RANDOM.normal(size=(7, 1)).astype(np.float32),
    }
    with opened(tmp_path / "1") as runtime:
        found = runtime.run(given, timeout=60)
    expected = model(given)
    assert set(found) == {"signal", "classes"}
    assert all(close(found[key], np.asarray(expected[key])) for key in expected)


@pytest.mark.filterwarnings("ignore")
def test_operations_that_the_old_format_cannot_hold_are_the_reason(tmp_path: Path) -> None:
    given = keras.Input((4,))
    model = keras.Model(given, keras.layers.Dense(1)(keras.ops.where(keras.ops.isnan(given), 0.0, given)))
    model.save(tmp_path / "m.h5")
    with pytest.raises(ModelRefusedError, match=r"operations \(Isnan, Where\), which Keras itself cannot load"):
        convert_here(tmp_path / "m.h5", tmp_path / "1")
