"""tritonclient over HTTP, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from mlaas4hep.inference.protocol.datatypes import DTYPES
from tests.support.onnx_models import ECHO_TYPES, WEIGHTS, reference, scorer
from tests.support.running import Running

ROWS = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.125]], np.float32)


@pytest.fixture
def client(oip: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(oip.http) as made:
        yield made


def tensor(array: np.ndarray[Any, Any], name: str = "features", *, binary: bool = True) -> triton.InferInput:
    given = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def test_descriptions(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("scorer", "1")
    assert not client.is_model_ready("nothing")
    assert client.get_server_metadata()["name"] == "mlaas4hep"
    assert client.get_model_metadata("scorer")["outputs"][0] == {"name": "scores", "datatype": "FP32", "shape": [-1, 2]}
    assert client.get_model_config("scorer")["max_batch_size"] == 65536
    assert {entry["name"] for entry in client.get_model_repository_index()} >= {"scorer", "fixed"}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_infer_is_what_onnxruntime_says(
    client: triton.InferenceServerClient, binary_in: bool, binary_out: bool, compression: str | None
) -> None:
    rows = np.tile(ROWS, (200, 1))
    result = client.infer(
        "scorer",
        [tensor(rows, binary=binary_in)],
        outputs=[triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("logits", "scores")],
        request_id="42",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    expected = reference(scorer(), {"features": rows})
    np.testing.assert_allclose(result.as_numpy("scores"), expected["scores"], atol=1e-6)
    np.testing.assert_allclose(result.as_numpy("logits"), rows @ WEIGHTS, atol=1e-6)
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("42", "scorer", "2")


def test_all_outputs_without_asking(client: triton.InferenceServerClient) -> None:
    result = client.infer("scorer", [tensor(ROWS)], model_version="1")
    assert [output["name"] for output in result.get_response()["outputs"]] == ["scores", "logits"]
    assert result.get_response()["model_version"] == "1"
    np.testing.assert_allclose(result.as_numpy("logits"), ROWS @ WEIGHTS, atol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_nan_and_infinity(client: triton.InferenceServerClient, binary: bool) -> None:
    array = np.array([[np.nan, -np.inf]], np.float32)
    result = client.infer("echo_FP32", [tensor(array, "x", binary=binary)])
    np.testing.assert_array_equal(result.as_numpy("y"), array)


# The client sends FP16 as bytes only.
@pytest.mark.parametrize(
    ("datatype", "binary"),
    [(name, binary) for name in ECHO_TYPES for binary in (True, False) if binary or name != "FP16"],
)
def test_every_datatype(client: triton.InferenceServerClient, datatype: str, binary: bool) -> None:
    values = np.array([[0, 1], [1, 0]])
    array = np.array([["a", "é"], ["", "b"]], object) if datatype == "BYTES" else values.astype(DTYPES[datatype])
    outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
    result = client.infer(f"echo_{datatype}", [tensor(array, "x", binary=binary)], outputs=outputs).as_numpy("y")
    if datatype == "BYTES":
        assert [text.decode() if isinstance(text, bytes) else text for text in result.ravel()] == ["a", "é", "", "b"]
    else:
        np.testing.assert_array_equal(result, array)
        assert result.dtype == array.dtype


def test_classification(client: triton.InferenceServerClient) -> None:
    outputs = [triton.InferRequestedOutput("logits", class_count=2)]
    result = client.infer("scorer", [tensor(ROWS)], outputs=outputs).as_numpy("logits")
    for row, texts in zip(ROWS @ WEIGHTS, result, strict=True):
        parts = [text.decode().split(":") for text in texts]
        assert [int(index) for _, index, *_ in parts] == np.argsort(-row).tolist()
        np.testing.assert_allclose([float(value) for value, *_ in parts], np.sort(row)[::-1], atol=1e-5)


def test_repository_and_statistics(client: triton.InferenceServerClient) -> None:
    before = client.get_inference_statistics("scorer", "1")["model_stats"][0]["inference_stats"]["success"]["count"]
    client.infer("scorer", [tensor(ROWS)], model_version="1")
    after = client.get_inference_statistics("scorer", "1")["model_stats"][0]
    assert after["inference_stats"]["success"]["count"] == before + 1
    client.unload_model("other")
    assert not client.is_model_ready("other")
    client.load_model("other")
    assert client.is_model_ready("other")


def test_errors(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"\[404\].*nothing"):
        client.infer("nothing", [tensor(ROWS)])
    with pytest.raises(InferenceServerException, match=r"\[400\].*features"):
        client.infer("scorer", [tensor(ROWS[:, :2])])
    with pytest.raises(InferenceServerException, match=r"\[400\].*nonsense"):
        client.infer("scorer", [tensor(ROWS)], outputs=[triton.InferRequestedOutput("nonsense")])
    with pytest.raises(InferenceServerException, match="unknown parameters config"):
        client.load_model("other", config="{}")


def test_many_calls_at_a_time_each_get_their_rows(oip: Running) -> None:
    async def ask() -> None:
        async with triton_aio.InferenceServerClient(oip.http) as client:
            assert await client.is_server_ready()
            assert (await client.get_model_config("scorer"))["max_batch_size"] == 65536
            batches = [ROWS * number for number in range(40)]
            results = await asyncio.gather(*(client.infer("scorer", [tensor(batch)]) for batch in batches))
            for batch, result in zip(batches, results, strict=True):
                np.testing.assert_allclose(result.as_numpy("logits"), batch @ WEIGHTS, atol=1e-4)
            with pytest.raises(InferenceServerException, match="nothing"):
                await client.infer("nothing", [tensor(ROWS)])

    asyncio.run(ask())
