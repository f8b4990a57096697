"""A bundle over the Open Inference Protocol: its features, or instead its branches, flat and jagged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as triton
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

from tests.support.running import Running
from tests.support.serving import make_bundle

NAN = np.nan
BRANCHES: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {
    "met": np.array([40, 55, 70], np.float32),
    "charge": np.array([[1], [-1], [1]], np.float32),
    "Jet_pt": np.array([[50, 40, NAN], [NAN, NAN, NAN], [60, 50, 30]], np.float32),
    "Jet_eta": np.array([[1, -2, NAN], [NAN, NAN, NAN], [0, 0.5, 2]], np.float32),
}
FEATURES = np.concatenate([array.reshape(3, -1) for array in BRANCHES.values()], axis=1)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray[Any, Any]:
    bundle = make_bundle(tmp_path_factory.mktemp("toy") / "bundle")
    scores = onnxruntime.InferenceSession(bundle / "model.onnx").run(["scores"], {"features": FEATURES})[0]
    return np.asarray(scores)


def tensors(module: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> list[Any]:
    given = []
    for name, array in arrays.items():
        given.append(module.InferInput(name, list(array.shape), "FP32"))
        given[-1].set_data_from_numpy(array)
    return given


@pytest.mark.parametrize("arrays", [{"features": FEATURES}, BRANCHES, dict(reversed(BRANCHES.items()))])
@pytest.mark.parametrize("version", ["", "1"])
def test_features_or_branches(
    oip: Running, expected: np.ndarray[Any, Any], arrays: dict[str, np.ndarray[Any, Any]], version: str
) -> None:
    with triton.InferenceServerClient(oip.grpc) as client:
        result = client.infer("toy", tensors(triton, arrays), version)
    np.testing.assert_allclose(result.as_numpy("scores"), expected, atol=1e-6)
    with triton_http.InferenceServerClient(oip.http) as web:
        answer = web.infer("toy", tensors(triton_http, arrays), version)
    np.testing.assert_allclose(answer.as_numpy("scores"), expected, atol=1e-6)


def test_a_bundle_describes_itself_in_memory_or_not(oip: Running) -> None:
    with triton.InferenceServerClient(oip.grpc) as client:
        metadata = client.get_model_metadata("toy")
        config = client.get_model_config("toy", "1").config
        assert list(client.get_model_metadata("toy", "1").inputs[0].shape) == [-1, 8]
    assert list(metadata.versions) == ["1", "2"]
    assert [list(output.shape) for output in metadata.outputs] == [[-1, 1]]
    assert (config.max_batch_size, list(config.input[0].dims)) == (65536, [8])
    with triton_http.InferenceServerClient(oip.http) as web:
        parameters = web.get_model_metadata("toy")["parameters"]
    assert parameters["branches"] == {"met": "flat", "charge": "flat", "Jet_pt": "jagged", "Jet_eta": "jagged"}
    assert parameters["classes"] == ["signal"]


def test_the_configuration_agrees_with_that_in_the_bundle(oip: Running, tmp_path: Path) -> None:
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    written = (make_bundle(tmp_path / "bundle") / "config.pbtxt").read_text()
    local = text_format.Parse(written, model_config_pb2.ModelConfig())
    with triton.InferenceServerClient(oip.grpc) as client:
        remote = client.get_model_config("toy").config
    for field in ("name", "platform", "max_batch_size"):
        assert getattr(remote, field) == getattr(local, field)
    for mine, other in ((remote.input, local.input), (remote.output, local.output)):
        assert [(t.name, t.data_type, list(t.dims)) for t in mine] == [
            (t.name, t.data_type, list(t.dims)) for t in other
        ]


def test_a_branch_that_is_missing_is_named(oip: Running) -> None:
    without = {name: array for name, array in BRANCHES.items() if name != "Jet_eta"}
    with (
        triton.InferenceServerClient(oip.grpc) as client,
        pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*Jet_eta"),
    ):
        client.infer("toy", tensors(triton, without))


def test_classification_names_the_signal(oip: Running, expected: np.ndarray[Any, Any]) -> None:
    with triton.InferenceServerClient(oip.grpc) as client:
        outputs = [triton.InferRequestedOutput("scores", class_count=1)]
        result = client.infer("toy", tensors(triton, {"features": FEATURES}), outputs=outputs).as_numpy("scores")
    assert [text.decode() for text in result[:, 0]] == [f"{score:f}:0:signal" for score in expected[:, 0]]
