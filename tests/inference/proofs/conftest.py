"""A server for hostile clients, which all attack the same process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.onnx_graphs import endless, hungry, laborious
from tests.support.serve_process import ServeProcess, eventually
from tests.support.serving import make_bundle, put, save

UPLOAD = 32 << 20
SETTINGS = {
    "poll": 0.05,
    "limits": {
        "upload": UPLOAD,
        "timeout": 1.0,
        "read_timeout": 1.5,
        "conversion_memory": 1 << 30,
        "queue": 1000,
    },
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """One process for all attacks; in the end it is still the same, healthy, and nothing surprised it."""
    root = tmp_path_factory.mktemp("hostile") / "models"
    put(root, "steady", 1, 2.0)
    make_bundle(root / "toy" / "1")
    save(endless(), root / "endless" / "1" / "model.onnx")
    save(hungry(), root / "hungry" / "1" / "model.onnx")
    save(laborious(), root / "laborious" / "1" / "model.onnx")
    serving = ServeProcess(root.parent / "server", root, SETTINGS)
    names = {"steady", "toy", "endless", "hungry", "laborious"}
    eventually(
        lambda: {model["name"] for model in _models(serving) if model["versions"][0]["state"] == "READY"} == names
    )
    pid = httpx.get(f"{serving.url}/status").json()["pid"]
    try:
        yield serving
        assert httpx.get(f"{serving.url}/status").json()["pid"] == pid == serving.process.pid
        assert httpx.get(f"{serving.url}/health/ready").status_code == 200
        assert {model["name"] for model in _models(serving)} == names
        assert [line for line in serving.lines() if "unexpected" in str(line) or "Traceback" in str(line)] == []
        assert [path for path in root.iterdir() if path.name.startswith(".work")] == []
    finally:
        serving.stop()


@pytest.fixture
def healthy(server: ServeProcess) -> Iterator[None]:
    """After every attack the server answers, and rightly."""
    yield
    answer = httpx.post(f"{server.url}/predict", content=b'{"model": "steady", "rows": [[1, 2]]}')
    assert answer.json()["scores"] == [[2.0, 4.0]]


def _models(serving: ServeProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{serving.url}/api/models").json()["models"]
    return found
