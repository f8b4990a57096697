"""The Open Inference Protocol over HTTP as curl speaks it: status codes and bodies."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from mlaas4hep.errors.serving import ModelFailedError
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Limits
from tests.support.oip_models import plane_with_models
from tests.support.onnx_models import WEIGHTS
from tests.support.running import Running, running
from tests.support.serving import put, settings

ROWS = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.125]], np.float32)
INPUT = {"name": "features", "shape": [2, 3], "datatype": "FP32", "data": ROWS.tolist()}


@pytest.fixture
def web(oip: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{oip.http}") as client:
        yield client


def infer(web: httpx.Client, model: str = "scorer", **changes: Any) -> httpx.Response:
    return web.post(f"/v2/models/{model}/infer", json={"inputs": [{**INPUT, **changes}]})


def test_the_server(web: httpx.Client) -> None:
    assert web.get("/v2").json()["name"] == "mlaas4hep"
    assert web.get("/v2/health/live").json() == {"live": True}
    assert web.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("path", ["/v2/models/scorer", "/v2/models/scorer/versions/1"])
def test_metadata_ready_config_and_statistics(web: httpx.Client, path: str) -> None:
    metadata = web.get(path).json()
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}]
    assert metadata["versions"] == (["1"] if "versions" in path else ["1", "2"])
    assert web.get(f"{path}/ready").json() == {"name": "scorer", "ready": True}
    config = web.get(f"{path}/config").json()
    assert (config["max_batch_size"], config["input"][0]["dims"]) == (65536, [3])
    versions = {key.split("/")[0] for key in config["model_repository_agents"]["agents"][0]["parameters"]}
    assert versions == set(metadata["versions"])
    statistics = web.get(f"{path}/stats").json()["model_stats"]
    assert {entry["name"] for entry in statistics} == {"scorer"}


def test_statistics_of_all_models(web: httpx.Client) -> None:
    names = {entry["name"] for entry in web.get("/v2/models/stats").json()["model_stats"]}
    assert {"scorer", "fixed", "other"} <= names


@pytest.mark.parametrize("data", [ROWS.tolist(), ROWS.ravel().tolist()])
def test_nested_and_flat_data(web: httpx.Client, data: list[Any]) -> None:
    answer = infer(web, data=data).json()
    scores, logits = answer["outputs"]
    assert (answer["model_name"], answer["model_version"], logits["datatype"]) == ("scorer", "2", "FP32")
    np.testing.assert_allclose(np.reshape(logits["data"], logits["shape"]), ROWS @ WEIGHTS, atol=1e-6)
    np.testing.assert_allclose(np.reshape(scores["data"], scores["shape"]).sum(axis=1), 1, atol=1e-6)


def test_nan_in_a_feature_is_null(web: httpx.Client) -> None:
    answer = infer(web, shape=[1, 3], data=[None, 1.0, 2.0])
    assert answer.json()["outputs"][1]["data"] == [None, None]


def test_a_body_of_bytes_alone(web: httpx.Client) -> None:
    answer = web.post(
        "/v2/models/scorer/infer", content=ROWS.tobytes(), headers={"Inference-Header-Content-Length": "0"}
    )
    head = int(answer.headers["inference-header-content-length"])
    described = json.loads(answer.content[:head])["outputs"]
    sizes = [output["parameters"]["binary_data_size"] for output in described]
    assert answer.headers["content-type"] == "application/octet-stream"
    logits = np.frombuffer(answer.content[head + sizes[0] :], np.float32).reshape(2, 2)
    np.testing.assert_allclose(logits, ROWS @ WEIGHTS, atol=1e-6)


def test_large_binary_rows_come_in_parts_and_are_whole(web: httpx.Client) -> None:
    rows = np.random.default_rng(1).normal(size=(200_000, 3)).astype(np.float32)
    tensor = {"name": "features", "shape": [200_000, 3], "datatype": "FP32"}
    head = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": rows.nbytes}}],
            "outputs": [{"name": "logits", "parameters": {"binary_data": True}}],
        }
    ).encode()
    answer = web.post(
        "/v2/models/scorer/infer",
        content=head + rows.tobytes(),
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    start = int(answer.headers["inference-header-content-length"])
    logits = np.frombuffer(answer.content[start:], np.float32).reshape(-1, 2)
    np.testing.assert_allclose(logits, rows @ WEIGHTS, atol=1e-5)


def test_small_answers_are_not_compressed_and_large_ones_are(web: httpx.Client) -> None:
    web.headers["accept-encoding"] = "gzip"
    assert "content-encoding" not in infer(web).headers
    large = np.zeros((400, 3), np.float32)
    answer = infer(web, shape=[400, 3], data=large.tolist())
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["outputs"][1]["data"] == [0.0] * 800


def test_the_configuration_in_other_formats(web: httpx.Client) -> None:
    text = web.get("/v2/models/scorer/config?format=pbtxt")
    assert text.headers["content-type"].startswith("text/plain")
    assert 'name: "scorer"' in text.text
    assert web.get("/v2/models/scorer/config?format=xml").json() == {
        "error": "format: there is no format 'xml'; json or pbtxt"
    }


def test_loading_and_unloading(web: httpx.Client) -> None:
    unload = web.post("/v2/repository/models/other/unload", json={"parameters": {"unload_dependents": False}})
    assert (unload.status_code, unload.json()) == (200, {})
    answer = web.get("/v2/models/other/ready")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert infer(web, "other").status_code == 503
    ready = web.post("/v2/repository/index", json={"ready": True}).json()
    assert "other" not in {entry["name"] for entry in ready}
    everything = web.post("/v2/repository/index").json()
    assert {entry["name"]: entry["state"] for entry in everything}["other"] == "UNAVAILABLE"
    assert web.post("/v2/repository/models/other/load", json={"parameters": {"version": "1"}}).status_code == 200
    assert infer(web, "other").status_code == 200


@pytest.mark.parametrize("path", ["", "/ready", "/config", "/stats", "/versions/1", "/versions/1/ready"])
def test_a_model_that_is_not_there(web: httpx.Client, path: str) -> None:
    answer = web.get(f"/v2/models/nothing{path}")
    assert answer.status_code == 404
    assert "nothing" in answer.json()["error"]


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"shape": [3, 2]}, 400, "tensor 'features': the data has the shape"),
        ({"shape": [2, 2], "data": [0.0] * 4}, 400, "features"),
        ({"data": ["a"] * 6}, 400, "tensor 'features': the data holds 'a', which is not FP32"),
        ({"datatype": "BF16"}, 400, "tensor 'features': datatype BF16 is not supported; send FP32"),
        ({"datatype": "FP64"}, 400, "features"),
        ({"name": "wrong"}, 400, "features"),
    ],
)
def test_what_does_not_fit_the_model(web: httpx.Client, changes: dict[str, Any], status: int, text: str) -> None:
    answer = infer(web, **changes)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert text in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, b"{", 400),
        ({"Inference-Header-Content-Length": "x"}, b"{}", 400),
        ({"Inference-Header-Content-Length": "9" * 5000}, b"{}", 400),
        ({"Inference-Header-Content-Length": "5"}, b"{}", 400),
        ({"Content-Encoding": "gzip"}, b"{}", 400),
        ({"Content-Encoding": "br"}, b"{}", 415),
    ],
)
def test_what_is_no_request(web: httpx.Client, headers: dict[str, str], content: bytes, status: int) -> None:
    answer = web.post("/v2/models/scorer/infer", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("index", {"ready": "yes"}, "ready must be true or false"),
        ("models/other/load", {"parameters": 3}, "the parameters must be an object"),
        ("models/other/load", {"parameters": {"config": "{}"}}, "unknown parameters config"),
        ("models/other/load", {"parameters": {"version": []}}, "the version must be a string"),
        ("models/other/unload", {"parameters": {"now": True}}, "unknown parameters now"),
        ("models/other/load", [], "JSON object"),
    ],
)
def test_repository_calls_that_make_no_sense(web: httpx.Client, path: str, body: Any, text: str) -> None:
    answer = web.post(f"/v2/repository/{path}", json=body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]


def test_the_limit_of_a_body_counts_unpacked(tmp_path: Any) -> None:
    with (
        running(lambda: plane_with_models(tmp_path), Limits(body=4000)) as where,
        httpx.Client(base_url=f"http://{where.http}") as web,
    ):
        assert infer(web).status_code == 200
        assert web.post("/v2/models/scorer/infer", content=bytes(5000)).status_code == 413
        packed = web.post(
            "/v2/models/scorer/infer", content=gzip.compress(bytes(10**6)), headers={"Content-Encoding": "gzip"}
        )
        assert packed.status_code == 413


def test_a_model_that_was_never_loaded_tells_so(tmp_path: Any) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ModelFailedError("out of memory")

    @asynccontextmanager
    async def broken() -> AsyncIterator[Server]:
        put(tmp_path, "scorer", 1, 1.0)
        server = Server(settings(tmp_path), open_runtime=fail)
        await server.start()
        await server.look()  # files without checksums count once they stayed the same between two looks
        await server.loaded()
        yield server
        await server.stop()

    with running(broken) as where, httpx.Client(base_url=f"http://{where.http}") as client:
        answer = client.get("/v2/models/scorer")
    assert answer.status_code == 503
    assert "version 1: out of memory; load it first" in answer.json()["error"]


def test_strings_in_binary_form(web: httpx.Client) -> None:
    content = b"".join(struct.pack("<I", len(text)) + text for text in (b"a", b"bc"))
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "x",
                    "shape": [1, 2],
                    "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(content)},
                }
            ]
        }
    ).encode()
    answer = web.post(
        "/v2/models/echo_BYTES/infer",
        content=head + content,
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    assert answer.json()["outputs"][0]["data"] == ["a", "bc"]
