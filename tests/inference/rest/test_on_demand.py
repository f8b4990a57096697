"""Models that are loaded by the first request for them count as ready, over both protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import tritonclient.grpc as triton

from mlaas4hep.inference.server import Server
from tests.support.running import Running, running
from tests.support.serving import put, serving


@pytest.fixture
def where(tmp_path: Path) -> Iterator[Running]:
    """One place in memory, taken by ``a``."""
    for name in "abc":
        put(tmp_path, name, 1, 2)

    @asynccontextmanager
    async def plane() -> AsyncIterator[Server]:
        async with serving(tmp_path, limits={"loaded": 1}, poll=600) as server:
            await server.look()
            await server.look()
            await server.loaded()
            yield server

    with running(plane) as there:
        yield there


def test_http(where: Running) -> None:
    with httpx.Client(base_url=f"http://{where.http}") as web:
        for name in "ab":
            assert web.get(f"/v2/models/{name}/ready").status_code == 200
        index = {entry["name"]: entry for entry in web.post("/v2/repository/index", json={"ready": True}).json()}
        assert [index[name]["state"] for name in "abc"] == ["READY"] * 3
        assert index["b"]["reason"] == "not in memory, loaded when it is asked for"
        assert web.get("/v2/models/b").json()["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
        assert web.get("/v2/models/c/config").json()["input"][0]["dims"] == [2]
        assert web.post("/v2/repository/models/b/unload").status_code == 200
        assert web.get("/v2/models/b/ready").status_code == 503
        assert web.get("/v2/models/b").status_code == 503


def test_grpc(where: Running) -> None:
    with triton.InferenceServerClient(where.grpc) as client:
        assert all(client.is_model_ready(name) for name in "abc")
        assert {entry.state for entry in client.get_model_repository_index().models} == {"READY"}
        assert client.get_model_metadata("b").inputs[0].name == "x"
        assert client.get_model_config("c").config.input[0].dims == [2]
        client.unload_model("b")
        assert not client.is_model_ready("b")
