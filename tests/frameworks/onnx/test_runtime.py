from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from mlaas4hep.errors.serving import BadRequestError, ModelFailedError, ModelRefusedError, ModelTimeoutError
from mlaas4hep.frameworks.onnx.runtime import OnnxRuntime
from mlaas4hep.frameworks.tensors import TensorSpec
from tests.support.onnx_graphs import add_sub, endless, hungry, linear, words

X = np.array([[-1, -2], [-3, -4.5]], np.float32)


def test_runs_and_describes() -> None:
    runtime = OnnxRuntime(linear().SerializeToString())
    assert runtime.inputs == (TensorSpec("x", "float32", (-1, 2)),)
    assert runtime.outputs == (TensorSpec("y", "float32", (-1, 2)),)
    assert (runtime.batched, runtime.platform) == (True, "onnxruntime_onnx")
    for timeout in (None, 5.0):
        assert np.array_equal(runtime.run({"x": X}, timeout=timeout)["y"], 2 * X + 1)
    runtime.close()


def test_several_tensors_and_wanted_outputs() -> None:
    runtime = OnnxRuntime(add_sub().SerializeToString())
    a, b = np.arange(6).reshape(2, 3), np.full((2, 3), 10)
    given = runtime.run({"a": a, "b": b})
    assert list(given) == ["sum", "difference"]
    assert np.array_equal(given["sum"], a + b)
    only = runtime.run({"a": a, "b": b}, ["difference"], timeout=5)
    assert list(only) == ["difference"]
    assert np.array_equal(only["difference"], a - b)


def test_strings() -> None:
    runtime = OnnxRuntime(words().SerializeToString())
    assert runtime.inputs[0].dtype == "object"
    assert runtime.run({"text": np.array(["é", ""], object)})["same"].tolist() == ["é", ""]


def test_fixed_rows_are_no_batch() -> None:
    runtime = OnnxRuntime(linear(1).SerializeToString())
    assert not runtime.batched
    assert runtime.inputs[0].shape == (1, 2)


def test_endless_run_is_stopped_and_the_runtime_lives_on() -> None:
    runtime = OnnxRuntime(endless().SerializeToString())
    for _ in range(2):
        with pytest.raises(ModelTimeoutError, match=r"did not answer within 0\.2 s"):
            runtime.run({"x": -X}, timeout=0.2)
        assert np.array_equal(runtime.run({"x": X}, timeout=5)["y"], X)


def test_others_are_not_stopped() -> None:
    slow = OnnxRuntime(endless().SerializeToString())
    fast = OnnxRuntime(linear().SerializeToString())
    with ThreadPoolExecutor(2) as pool:
        stuck = pool.submit(slow.run, {"x": -X}, timeout=0.5)
        count = 0
        while not stuck.done():
            assert np.array_equal(fast.run({"x": X}, timeout=10)["y"], 2 * X + 1)
            count += 1
        assert isinstance(stuck.exception(), ModelTimeoutError)
    assert count > 0


def test_wrong_shape_is_the_callers_mistake() -> None:
    runtime = OnnxRuntime(linear().SerializeToString())
    with pytest.raises(BadRequestError, match=r"invalid dimensions for input: x.*Got: 3 Expected: 2"):
        runtime.run({"x": np.zeros((1, 3), np.float32)})
    with pytest.raises(BadRequestError, match="invalid dimensions"):
        runtime.run({"x": np.zeros((1, 3), np.float32)}, timeout=5)


def test_memory_is_limited() -> None:
    code = """
import sys, numpy as np
from mlaas4hep.errors.serving import ModelFailedError
from mlaas4hep.frameworks.onnx.runtime import OnnxRuntime
runtime = OnnxRuntime(sys.stdin.buffer.read(), memory=2**28)
assert runtime.run({"n": np.array([10**6])})["zeros"].size == 10**6
for _ in range(2):
    try:
        runtime.run({"n": np.array([10**9])}, timeout=60)
    except ModelFailedError as error:
        print(error)
assert runtime.run({"n": np.array([10])})["zeros"].size == 10
"""
    model = hungry().SerializeToString()
    done = subprocess.run([sys.executable, "-c", code], input=model, capture_output=True, check=True)
    message = "the model failed on this input: it needs more memory than models are allowed (limits.model_memory)"
    assert done.stdout.decode().splitlines() == [message, message]


def test_failure_in_the_graph() -> None:
    runtime = OnnxRuntime(hungry().SerializeToString())
    with pytest.raises(ModelFailedError, match="the model failed on this input"):
        runtime.run({"n": np.array([-5])}, timeout=5)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08"])
def test_refuses_what_does_not_load(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelRefusedError, match="ONNX Runtime cannot load the model") as caught:
        OnnxRuntime(file)
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_other_values_than_tensors() -> None:
    tensor = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [None])
    value = onnx.helper.make_value_info("s", onnx.helper.make_sequence_type_proto(tensor))
    out = onnx.helper.make_value_info("t", onnx.helper.make_sequence_type_proto(tensor))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["s"], ["t"])], "g", [value], [out])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ModelRefusedError, match="type seq"):
        OnnxRuntime(model.SerializeToString())


def test_the_same_as_onnxruntime(shared_data: Path) -> None:
    file = shared_data / "models" / "onnx" / "jet_tagger_16x5.onnx"
    row = np.random.default_rng(1).normal(size=(1, 16)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(file))
    (expected,) = session.run(None, {session.get_inputs()[0].name: row})
    runtime = OnnxRuntime(file)
    (given,) = runtime.run({runtime.inputs[0].name: row}, timeout=5).values()
    assert np.abs(given - expected).max() <= 1e-6
