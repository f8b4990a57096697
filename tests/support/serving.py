"""Models, bundles and servers for tests of the inference server, made without training."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlaas4hep.bundle import BundleContents, FeatureColumns, Input, Manifest, Output, Parity, write_bundle
from mlaas4hep.bundle.onnx_graph import compose, to_bytes
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.inference.execution.opening import open_runtime
from mlaas4hep.inference.models.loading import OpenRuntime
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Limits, Settings

__all__ = [
    "JETS",
    "event",
    "failing",
    "linear",
    "looping",
    "make_bundle",
    "put",
    "save",
    "scaler",
    "serving",
    "settings",
]

JETS = ("Jet_pt", "Jet_eta")


def scaler(factor: float, width: int = 2) -> onnx.ModelProto:
    """``x`` FP32 [N, width] -> ``y``, each value times a factor: an answer tells which row of which model it is."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "scaler",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", width])],
        [numpy_helper.from_array(np.array(factor, np.float32), "factor")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def failing(table: np.ndarray[Any, np.dtype[np.float32]] | None = None) -> onnx.ModelProto:
    """``x`` FP32 [N, 2] -> ``y``, the entry of a table (0, 10, 20, 30) at each value; fails if there is none."""
    entries = np.array([0, 10, 20, 30], np.float32) if table is None else table
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "index"], ["y"]),
        ],
        "failing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(entries, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def looping() -> onnx.ModelProto:
    """``x`` FP32 [N, 1] -> ``y``, the same; takes as many steps as the largest value says."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, []),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
            helper.make_node("Cast", ["most"], ["steps"], to=TensorProto.INT64),
            helper.make_node("Loop", ["steps", "", "most"], ["last"], body=body),
            helper.make_node("Mul", ["last", "zero"], ["nothing"]),
            helper.make_node("Add", ["x", "nothing"], ["y"]),
        ],
        "looping",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(np.array(0, np.float32), "zero")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def linear(weights: np.ndarray[Any, np.dtype[np.float32]]) -> onnx.ModelProto:
    """``x`` FP32 [N, D] -> ``scores`` [N, K] = x weights."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", weights.shape[0]])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", weights.shape[1]])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def save(model: onnx.ModelProto, file: Path) -> Path:
    """The model as a file; its folder is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model.SerializeToString())
    return file


def put(root: Path, name: str, version: int, factor: float) -> Path:
    """A `scaler` in a repository, as somebody puts it there: written beside and renamed."""
    folder = root / name / str(version)
    beside = root / f".{name}-{version}"
    save(scaler(factor), beside / "model.onnx")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside.rename(folder)
    return folder


def make_bundle(
    path: Path,
    *,
    name: str = "toy",
    flat: tuple[str, ...] = ("met", "charge"),
    jagged: Mapping[str, int] | None = None,
    variables: tuple[dict[str, str], ...] = (),
    cuts: tuple[dict[str, str], ...] = (),
    further: tuple[Input, ...] = (),
    dtypes: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Path:
    """A bundle (folder, or tar.gz by its name) of a linear binary model with random weights.

    Variables (``{"variable", "expression", "kind"}``) named in `flat` or `jagged` are features.
    """
    jagged = dict.fromkeys(JETS, 3) if jagged is None else jagged
    rng = np.random.default_rng(seed)
    branches = [FeatureBranch(n, "flat", 1, *_numbers(rng)) for n in flat]
    branches += [FeatureBranch(n, "jagged", length, *_numbers(rng)) for n, length in jagged.items()]
    layout = Layout(tuple(branches), missing=(-999.0,))
    weights = rng.normal(size=(layout.width, 1)).astype(np.float32)
    computed = {entry["variable"] for entry in variables}
    types = dtypes or {}
    inputs = [
        Input(name=b.name, kind=b.kind, length=b.length, dtype=types.get(b.name, "float32"))
        for b in branches
        if b.name not in computed
    ]
    manifest = Manifest(
        name=name,
        created="2026-01-02T03:04:05Z",
        framework="sklearn",
        task="binary",
        classes=("background", "signal"),
        signal="signal",
        tree="Events",
        identifier=("run", "event"),
        inputs=(*inputs, *further),
        features=FeatureColumns.of(layout),
        outputs=(Output(shape=(1,), meaning=("score of signal",)),),
        parity=Parity(rows=10, max_abs_difference=0.0, tolerance=1e-4, agreed=True),
    )
    steps = [*variables, *cuts]
    Preprocessing.from_json(steps)
    contents = BundleContents(manifest, to_bytes(compose(linear(weights), layout)), None, {}, {"steps": steps})
    return write_bundle(path, contents)


def _numbers(rng: np.random.Generator) -> tuple[float, float, float, float]:
    offset, scale = (float(np.float32(v)) for v in rng.uniform(0.5, 2.0, 2))
    return offset, scale, -50.0, -100.0


def event(rng: np.random.Generator, flat: tuple[str, ...], jagged: Mapping[str, int]) -> dict[str, Any]:
    """A random event in float32 values, lists of 0 to twice the length."""
    values: dict[str, Any] = {n: float(np.float32(rng.normal(50, 20))) for n in flat}
    for n, length in jagged.items():
        values[n] = rng.normal(50, 20, rng.integers(0, 2 * length + 1)).astype(np.float32).tolist()
    return values


def settings(root: Path, **changes: Any) -> Settings:
    """Settings with short times."""
    limits = Limits(**{"timeout": 20.0, **changes.pop("limits", {})})
    return Settings(**{"repository": root, "poll": 0.05, "drain": 10.0, "limits": limits, **changes})


@asynccontextmanager
async def serving(root: Path, open_runtime: OpenRuntime = open_runtime, **changes: Any) -> AsyncIterator[Server]:
    """A server on a repository, its models loaded."""
    server = Server(settings(root, **changes), open_runtime=open_runtime)
    await server.start()
    try:
        await server.loaded()
        yield server
    finally:
        await asyncio.wait_for(server.stop(), 30)
