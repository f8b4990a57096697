from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from mlaas4hep.bundle import BundleContents, FeatureColumns, Input, Manifest, Output, write_bundle
from mlaas4hep.bundle.onnx_graph import compose, to_bytes
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.frameworks.tensors import Runtime, TensorSpec
from mlaas4hep.inference.execution.opening import open_runtime
from mlaas4hep.inference.repository.served_json import ServedModel, write_served
from mlaas4hep.inference.settings import Limits
from tests.support.onnx_graphs import linear, model_of

LIMITS = Limits(conversion_memory=4 * 2**30)
LAYOUT = Layout(
    (FeatureBranch("met", "flat", 1, 10.0, 0.5, 0.0, -1.0), FeatureBranch("pt", "jagged", 2, -2.0, 1, -3, -4))
)
RAW = np.random.default_rng(7).normal(12, 3, size=(50, 3)).astype(np.float32)
RAW[::4, 2] = np.nan


def opened(folder: Path) -> Runtime:
    return open_runtime(folder, threads=1, limits=LIMITS)


def bundle(folder: Path, served: str, native: Path | None) -> None:
    nodes = [onnx.helper.make_node("ReduceMax", ["x"], ["scores"], axes=[1], keepdims=1)]
    tensors = [onnx.helper.make_tensor_value_info(n, 1, ["batch", w]) for n, w in (("x", 3), ("scores", 1))]
    manifest = Manifest(
        name="m",
        framework="sklearn",
        task="binary",
        classes=("background", "signal"),
        signal="signal",
        inputs=(Input(name="met", kind="flat", length=1), Input(name="pt", kind="jagged", length=2)),
        features=FeatureColumns.of(LAYOUT),
        outputs=(Output(shape=(1,), meaning=("probability of signal",)),),
        served=served,  # type: ignore[arg-type]
        reason="a test" if served == "native" else None,
    )
    model = to_bytes(compose(model_of(onnx.helper.make_graph(nodes, "g", tensors[:1], tensors[1:])), LAYOUT))
    write_bundle(folder, BundleContents(manifest=manifest, onnx=model if served == "onnx" else None, native=native))


def test_bundle_by_onnx(tmp_path: Path) -> None:
    bundle(tmp_path / "b", "onnx", None)
    runtime = opened(tmp_path / "b")
    assert runtime.inputs == (TensorSpec("features", "float32", (-1, 3), ("met", "pt[0]", "pt[1]")),)
    assert runtime.outputs == (TensorSpec("scores", "float32", (-1, 1), ("signal",)),)
    assert runtime.batched
    expected = LAYOUT.transform(RAW).max(axis=1, keepdims=True)
    assert np.allclose(runtime.run({"features": RAW}, timeout=5)["scores"], expected, atol=1e-6)


def test_bundle_by_its_native_model(tmp_path: Path) -> None:
    x = LAYOUT.transform(RAW)
    model = LogisticRegression().fit(x, x[:, 0] > np.median(x[:, 0]))
    (tmp_path / "native").mkdir()
    skops.io.dump(model, tmp_path / "native" / "model.skops")
    bundle(tmp_path / "b", "native", tmp_path / "native")
    runtime = opened(tmp_path / "b")
    try:
        assert runtime.platform == "sklearn"
        assert runtime.outputs == (TensorSpec("scores", "float32", (-1, 1), ("signal",)),)
        assert runtime.inputs[0].columns == ("met", "pt[0]", "pt[1]")
        given = runtime.run({"features": RAW}, timeout=60)["scores"]
        assert np.allclose(given[:, 0], model.predict_proba(x)[:, 1], atol=1e-6)
    finally:
        runtime.close()


def test_bundle_that_needs_its_own_code(tmp_path: Path) -> None:
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "model.py").write_text("raise SystemExit")
    (tmp_path / "native" / "model.pt").write_bytes(b"")
    bundle(tmp_path / "b", "native", tmp_path / "native")
    with pytest.raises(ModelRefusedError, match=r"a server does not run the code in its model.py"):
        opened(tmp_path / "b")


def test_converted_model(tmp_path: Path) -> None:
    onnx.save(linear(), tmp_path / "model.onnx")
    inputs = (TensorSpec("x", "float32", (-1, 2), ("pt", "eta")),)
    outputs = (TensorSpec("y", "float32", (-1, 2), ("a", "b")),)
    served = ServedModel("onnx", "onnxruntime_onnx", "ONNX", "onnx", "original/m.onnx", inputs, outputs, batched=False)
    write_served(tmp_path, served)
    runtime = opened(tmp_path)
    assert (runtime.inputs, runtime.outputs, runtime.batched) == (inputs, outputs, False)


def test_plain_onnx(tmp_path: Path) -> None:
    onnx.save(linear(), tmp_path / "model.onnx")
    assert opened(tmp_path).batched


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="there is no model in this version"):
        opened(tmp_path)


@pytest.mark.parametrize(("name", "what"), [("manifest.json", "the bundle"), ("served.json", "served.json")])
@pytest.mark.parametrize("content", ["{", "[]", '{"inputs": []}'])
def test_damaged_description(tmp_path: Path, name: str, what: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelRefusedError, match=f"{what} cannot be read"):
        opened(tmp_path)


def test_maps_in_a_model_put_there_by_hand_are_refused_with_what_to_do(tmp_path: Path) -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    model = LogisticRegression().fit(np.arange(8.0)[:, None], ["signal", "background"] * 4)
    made = skl2onnx.to_onnx(model, np.zeros((1, 1), np.float32), target_opset=17)
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelRefusedError, match=r"seq\(map.*models upload.*'zipmap': False"):
        opened(tmp_path)
