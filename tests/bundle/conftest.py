"""Small models and bundles, made without any training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mlaas4hep.bundle import BundleContents, FeatureColumns, Input, Manifest, Output, Parity
from mlaas4hep.bundle.onnx_graph import compose, to_bytes
from mlaas4hep.features.layout import FeatureBranch, Layout

CREATED = "2026-01-02T03:04:05Z"


def _identity(width: int, opset: int = 17) -> onnx.ModelProto:
    """A model that gives back what it is given."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["scores"])],
        "core",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", width])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def make_logistic(coefficients: NDArray[np.float32], intercept: float) -> onnx.ModelProto:
    """Logistic regression: coefficients [width] to scores [N, 1]."""
    width = len(coefficients)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["z"]),
            helper.make_node("Sigmoid", ["z"], ["scores"]),
        ],
        "core",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 1])],
        [
            numpy_helper.from_array(coefficients.reshape(width, 1), "w"),
            numpy_helper.from_array(np.array([intercept], dtype=np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="session")
def identity() -> Callable[..., onnx.ModelProto]:
    """identity(width, opset=17): a core model that gives back what it is given."""
    return _identity


@pytest.fixture(scope="session")
def make_manifest() -> Callable[..., Manifest]:
    """make_manifest(layout, **changes): a valid manifest of a binary model, created `created`."""
    return _manifest


@pytest.fixture(scope="session")
def created() -> str:
    """Time of creation of all manifests here."""
    return CREATED


@pytest.fixture
def layout() -> Layout:
    """A flat and a jagged branch, three columns."""
    return Layout(
        (
            FeatureBranch("met", "flat", 1, 10.0, 0.5, 0.0, -1.0),
            FeatureBranch("pt", "jagged", 2, -2.0, 0.25, -3.0, -4.0),
        ),
        missing=(-999.0,),
    )


@pytest.fixture
def coefficients() -> NDArray[np.float32]:
    """Of the logistic model in the bundle."""
    return np.array([0.5, -0.25, 0.125], dtype=np.float32)


@pytest.fixture
def contents(layout: Layout, coefficients: NDArray[np.float32], tmp_path: Path) -> BundleContents:
    """A complete small bundle."""
    native = tmp_path / "made-native"
    (native / "deeper").mkdir(parents=True)
    (native / "about.json").write_text('{"framework": "sklearn", "output": "probability"}')
    (native / "deeper" / "weights.bin").write_bytes(b"\x00\x01")
    return BundleContents(
        manifest=_manifest(layout),
        onnx=to_bytes(compose(make_logistic(coefficients, 0.5), layout)),
        native=native,
        specs={"z": 1, "a": {"count": 3}},
        preproc={"variables": [{"name": "ht", "expression": "sum(pt)"}]},
        metrics={"test": {"auc": 0.75}},
        report="<html></html>",
    )


def _manifest(layout: Layout, **changes: Any) -> Manifest:
    """A valid manifest of a binary model."""
    fields: dict[str, Any] = {
        "name": "higgs",
        "created": CREATED,
        "framework": "sklearn",
        "task": "binary",
        "classes": ("background", "signal"),
        "signal": "signal",
        "tree": "Events",
        "inputs": (Input(name="met", kind="flat", length=1), Input(name="pt", kind="jagged", length=2)),
        "features": FeatureColumns.of(layout),
        "outputs": (Output(shape=(1,), meaning=("probability of signal",)),),
        "parity": Parity(rows=10, max_abs_difference=1e-7, tolerance=1e-4, agreed=True),
    }
    return Manifest(**(fields | changes))
