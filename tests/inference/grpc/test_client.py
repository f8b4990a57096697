"""tritonclient over gRPC, on a real socket."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.support.onnx_models import ECHO_TYPES, WEIGHTS, reference, scorer
from tests.support.running import Running

ROWS = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.125]], np.float32)


@pytest.fixture
def client(oip: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(oip.grpc) as made:
        yield made


@pytest.fixture
def stub(oip: Running) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(oip.grpc) as channel:
        yield GRPCInferenceServiceStub(channel)


def tensor(array: np.ndarray[Any, Any], name: str = "features") -> triton.InferInput:
    given = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    given.set_data_from_numpy(array)
    return given


def test_server(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata.name == "mlaas4hep"
    assert "model_repository" in metadata.extensions


def test_model_metadata_has_the_row_axis_and_config_has_not(client: triton.InferenceServerClient) -> None:
    metadata = client.get_model_metadata("scorer", as_json=True)
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP32", "shape": ["-1", "3"]}]
    assert metadata["versions"] == ["1", "2"]
    assert client.get_model_metadata("scorer", "1").versions == ["1"]
    config = client.get_model_config("scorer").config
    assert config.max_batch_size == 65536
    assert config.platform == "onnxruntime_onnx"
    assert [(i.name, list(i.dims)) for i in config.input] == [("features", [3])]
    assert [(o.name, list(o.dims)) for o in config.output] == [("scores", [2]), ("logits", [2])]


def test_a_model_without_a_row_axis(client: triton.InferenceServerClient) -> None:
    config = client.get_model_config("fixed").config
    assert config.max_batch_size == 0
    assert list(config.input[0].dims) == [2, 3]
    assert list(client.get_model_metadata("fixed").inputs[0].shape) == [2, 3]
    result = client.infer("fixed", [tensor(ROWS, "x")])
    np.testing.assert_array_equal(result.as_numpy("y"), ROWS.T)


def test_infer_is_what_onnxruntime_says(client: triton.InferenceServerClient) -> None:
    result = client.infer("scorer", [tensor(ROWS)], request_id="42", client_timeout=20)
    expected = reference(scorer(), {"features": ROWS})
    np.testing.assert_allclose(result.as_numpy("scores"), expected["scores"], atol=1e-6)
    np.testing.assert_allclose(result.as_numpy("logits"), ROWS @ WEIGHTS, atol=1e-6)
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("42", "scorer", "2")
    assert len(response.raw_output_contents) == 2
    assert not any(output.HasField("contents") for output in response.outputs)


@pytest.mark.parametrize("names", [["logits"], ["logits", "scores"]])
def test_requested_outputs_only_and_in_their_order(client: triton.InferenceServerClient, names: list[str]) -> None:
    result = client.infer("scorer", [tensor(ROWS)], outputs=[triton.InferRequestedOutput(name) for name in names])
    assert [output.name for output in result.get_response().outputs] == names
    np.testing.assert_allclose(result.as_numpy("logits"), ROWS @ WEIGHTS, atol=1e-6)


def test_classification(client: triton.InferenceServerClient) -> None:
    result = client.infer("scorer", [tensor(ROWS)], outputs=[triton.InferRequestedOutput("logits", class_count=1)])
    logits = ROWS @ WEIGHTS
    for row, text in zip(logits, result.as_numpy("logits")[:, 0], strict=True):
        value, index, *_ = text.decode().split(":")
        assert int(index) == row.argmax()
        assert float(value) == pytest.approx(row.max(), abs=1e-5)


def test_one_version(client: triton.InferenceServerClient) -> None:
    result = client.infer("scorer", [tensor(ROWS)], model_version="1")
    assert result.get_response().model_version == "1"


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_compressed_requests(client: triton.InferenceServerClient, compression: str) -> None:
    rows = np.tile(ROWS, (500, 1))
    result = client.infer("scorer", [tensor(rows)], compression_algorithm=compression)
    np.testing.assert_allclose(result.as_numpy("logits"), rows @ WEIGHTS, atol=1e-6)


def test_typed_contents(stub: GRPCInferenceServiceStub) -> None:
    request = pb.ModelInferRequest(model_name="scorer", id="t")
    contents = pb.InferTensorContents(fp32_contents=ROWS.ravel().tolist())
    request.inputs.add(name="features", datatype="FP32", shape=[2, 3], contents=contents)
    response = stub.ModelInfer(request)
    logits = np.frombuffer(response.raw_output_contents[1], np.float32).reshape(2, 2)
    np.testing.assert_allclose(logits, ROWS @ WEIGHTS, atol=1e-6)
    assert response.id == "t"


@pytest.mark.parametrize("datatype", list(ECHO_TYPES))
def test_every_datatype(client: triton.InferenceServerClient, datatype: str) -> None:
    values = np.array([[0, 1], [1, 0]])
    array = np.array([["a", "é"], ["", "b"]], object) if datatype == "BYTES" else values.astype(_numpy(datatype))
    result = client.infer(f"echo_{datatype}", [tensor(array, "x")]).as_numpy("y")
    if datatype == "BYTES":
        assert [text.decode() for text in result.ravel()] == ["a", "é", "", "b"]
    else:
        np.testing.assert_array_equal(result, array)
        assert result.dtype == array.dtype


def test_statistics_count(client: triton.InferenceServerClient) -> None:
    before = client.get_inference_statistics("scorer", "1").model_stats[0].inference_stats.success.count
    client.infer("scorer", [tensor(ROWS)], model_version="1")
    after = client.get_inference_statistics("scorer", "1").model_stats[0]
    assert (after.name, after.version) == ("scorer", "1")
    assert after.inference_stats.success.count == before + 1
    assert {entry.name for entry in client.get_inference_statistics().model_stats} >= {"scorer", "fixed", "other"}


def test_repository(client: triton.InferenceServerClient, stub: GRPCInferenceServiceStub) -> None:
    index = {(entry.name, entry.version): entry.state for entry in client.get_model_repository_index().models}
    assert index["scorer", "1"] == index["scorer", "2"] == "READY"
    client.unload_model("other")
    assert not client.is_model_ready("other")
    states = {entry.name: (entry.state, entry.reason) for entry in client.get_model_repository_index().models}
    assert states["other"] == ("UNAVAILABLE", "unloaded")
    ready = stub.RepositoryIndex(pb.RepositoryIndexRequest(ready=True))
    assert "other" not in {entry.name for entry in ready.models}
    with pytest.raises(InferenceServerException, match="UNAVAILABLE"):
        client.infer("other", [tensor(ROWS)])
    client.load_model("other")
    assert client.is_model_ready("other")
    client.infer("other", [tensor(ROWS)])
    assert not client.is_model_ready("nothing")


def test_a_load_cannot_change_a_model(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="a load cannot change the model; unknown parameters config"):
        client.load_model("other", config="{}")


@pytest.mark.parametrize(
    ("model", "version", "array", "name", "code", "text"),
    [
        ("nothing", "", ROWS, "features", "NOT_FOUND", "nothing"),
        ("scorer", "9", ROWS, "features", "NOT_FOUND", "9"),
        ("scorer", "", ROWS[:, :2], "features", "INVALID_ARGUMENT", "features"),
        ("scorer", "", ROWS.astype(np.float64), "features", "INVALID_ARGUMENT", "features"),
        ("scorer", "", ROWS, "wrong", "INVALID_ARGUMENT", "features"),
    ],
)
def test_errors(
    client: triton.InferenceServerClient,
    model: str,
    version: str,
    array: np.ndarray[Any, Any],
    name: str,
    code: str,
    text: str,
) -> None:
    with pytest.raises(InferenceServerException, match=text) as caught:
        client.infer(model, [tensor(array, name)], version)
    assert caught.value.status() == f"StatusCode.{code}"


def test_an_unknown_output(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*nonsense"):
        client.infer("scorer", [tensor(ROWS)], outputs=[triton.InferRequestedOutput("nonsense")])


def test_a_message_above_the_limit(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="RESOURCE_EXHAUSTED"):
        client.infer("scorer", [tensor(np.zeros((6_000_000, 3), np.float32))])


def test_a_stream_answers_in_order_and_survives_errors(client: triton.InferenceServerClient) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for number in range(4):
        model = "nothing" if number == 2 else "scorer"
        client.async_stream_infer(
            model, [tensor(ROWS * number)], request_id=str(number), enable_empty_final_response=True
        )
    received = [answers.get(timeout=20) for _ in range(4)]
    client.stop_stream()
    for number, (result, error) in enumerate(received):
        if number == 2:
            assert "nothing" in str(error)
        else:
            assert result.get_response().id == str(number)
            assert result.get_response().parameters["triton_final_response"].bool_param
            np.testing.assert_allclose(result.as_numpy("logits"), number * ROWS @ WEIGHTS, atol=1e-5)


def test_many_calls_at_a_time_each_get_their_rows(oip: Running) -> None:
    async def ask() -> None:
        async with triton_aio.InferenceServerClient(oip.grpc) as client:
            assert await client.is_server_live()
            assert (await client.get_model_config("scorer")).config.max_batch_size == 65536
            batches = [ROWS * number for number in range(40)]
            results = await asyncio.gather(*(client.infer("scorer", [tensor(batch)]) for batch in batches))
            for batch, result in zip(batches, results, strict=True):
                np.testing.assert_allclose(result.as_numpy("logits"), batch @ WEIGHTS, atol=1e-4)
            with pytest.raises(InferenceServerException, match="NOT_FOUND"):
                await client.infer("nothing", [tensor(ROWS)])

    asyncio.run(ask())


def _numpy(datatype: str) -> np.dtype[Any]:
    from mlaas4hep.inference.protocol.datatypes import DTYPES

    return DTYPES[datatype]
