"""Models going up by TFaaS's calls, and those that are refused."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.live import Live
from tests.support.onnx_models import WEIGHTS, scorer


def archive(folder: dict[str, bytes]) -> bytes:
    """A tar.gz."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in folder.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def test_a_bundle_goes_up_and_is_deleted(fresh: Live, served: Live) -> None:
    client, data = fresh.client, served.client.get("/download/small/1").content
    headers = {"content-encoding": "gzip", "content-type": "application/octet-stream"}
    first = client.post("/upload", content=data, headers=headers)
    assert (first.status_code, first.json()["model"], first.json()["version"]) == (200, "small", "1")
    second = client.post("/upload", content=data, headers=headers)
    assert second.json()["version"] == "2"
    other = client.post("/upload?name=other", content=data)
    assert other.json()["model"] == "other"
    assert sorted(one["name"] for one in client.get("/models").json()) == ["other", "small"]
    example = client.get("/api/models/other/metadata").json()["example"]
    assert client.post("/json", json={**example, "model": None}).status_code == 400
    assert client.post("/params", json={"name": "other"}).json()["name"] == "other"
    assert client.post("/json", json={**example, "model": None}).status_code == 200
    assert client.delete("/delete/other").json() == {"deleted": "other"}
    assert client.request("DELETE", "/delete", data={"model": "small"}).json() == {"deleted": "small"}
    assert client.request("DELETE", "/delete", files={"model": (None, "small")}).status_code == 404
    assert client.get("/models").json() == []
    assert not [path for path in fresh.settings.repository.iterdir() if path.name.startswith(".work")]


@pytest.mark.parametrize("encoded", ["no", "part", "request"])
def test_a_form_in_parts_goes_up(fresh: Live, encoded: str) -> None:
    content = scorer().SerializeToString()
    data = content if encoded == "no" else base64.encodebytes(content)
    model: Any = ("model.onnx", data, "application/octet-stream")
    if encoded == "part":
        model = (*model, {"Content-Encoding": "base64"})
    answer = fresh.client.post(
        "/upload",
        data={"name": "parts"},
        files={
            "params": ("params.json", json.dumps({"model": "model.onnx", "labels": "labels.txt"})),
            "model": model,
            "labels": ("labels.txt", "background\nsignal\n"),
        },
        headers={"content-encoding": "base64"} if encoded == "request" else {},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["classes"] == ["background", "signal"]
    row = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    odds = np.exp(row @ WEIGHTS)
    found = fresh.client.post("/json", json={"model": "parts", "keys": ["a", "b", "c"], "values": row.tolist()})
    np.testing.assert_allclose(found.json(), odds / odds.sum(), atol=1e-6)
    rows = fresh.client.post("/json", json={"model": "parts", "rows": [row.tolist()] * 2}).json()
    assert rows["scores"] == [found.json()] * 2


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({"content": b""}, 400, "the body is empty"),
        ({"files": {"labels": ("l", b"a")}}, 400, "the form has no file called model"),
        ({"files": {"model": ("m.onnx", b"a")}}, 400, "the form has no name"),
        ({"files": {"model": ("m", b"a"), "params": ("p", b"{")}}, 400, "params is not valid JSON"),
        ({"files": {"model": ("m", b"a"), "params": ("p", b"\xff")}}, 400, "the part params is not text"),
        ({"files": {"model": ("m", b"a")}, "data": {"name": "../x"}}, 400, "cannot be the name of a model"),
        ({"files": {"model": ("m", b"\x80\x04.")}, "data": {"name": "x"}}, 422, ""),
        ({"content": b"what is this"}, 422, ""),
        ({"content": archive({"a/../../b": b"x"})}, 422, "unsafe name"),
        ({"content": archive({"/etc/x": b"x"})}, 422, "unsafe name"),
    ],
)
def test_refused_uploads_say_why(fresh: Live, request_: dict[str, Any], status: int, says: str) -> None:
    answer: httpx.Response = fresh.client.post("/upload", **request_)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]
    assert fresh.client.get("/models").json() == []
    assert [path.name for path in fresh.settings.repository.iterdir() if path.name not in (".lock",)] == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_archives_are_refused(fresh: Live, kind: bytes) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        entry = tarfile.TarInfo("model/model.onnx")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    answer = fresh.client.post("/upload", content=stream.getvalue())
    assert answer.status_code == 422, answer.text
    assert "something other than files and folders" in answer.json()["error"]


def test_an_archive_that_unpacks_to_too_much_is_refused(fresh: Live) -> None:
    data = archive({"model/model.onnx": bytes(2**24 + 1)})
    assert len(data) < 2**17
    answer = fresh.client.post("/upload", content=data)
    assert answer.status_code in (413, 422), answer.text
    assert "more than" in answer.json()["error"]


def test_a_bundle_is_named_by_its_folder_or_by_the_client(fresh: Live) -> None:
    params = json.dumps({"name": "other", "model": "model.onnx"}).encode()
    packed = archive({"magic/params.json": params, "magic/model.onnx": scorer().SerializeToString()})
    assert fresh.client.post("/upload", content=packed).json()["model"] == "magic"
    assert fresh.client.post("/upload?name=mine", content=packed).json()["model"] == "mine"
    row = {"keys": ["a", "b", "c"], "values": [1, 2, 3]}
    answers = [fresh.client.post("/json", json={"model": name, **row}).json() for name in ("magic", "mine")]
    assert answers[0] == answers[1]
