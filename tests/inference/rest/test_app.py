"""The application as a whole: paths and methods, one shape of errors, bodies too large, clients too slow."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.exceptions import HTTPException

from mlaas4hep.errors import ConfigError
from mlaas4hep.errors import serving as failures
from mlaas4hep.inference.rest.app import create_app
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.tfaas.messages import Row
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.errors import Failures, error_reply
from tests.support.live import Live, live_server
from tests.support.trained import Small


def asgi(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    """One request without a socket."""

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(call())


KINDS = [kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, failures.ServingError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_of_ours_has_its_status_and_one_shape(kind: type[failures.ServingError]) -> None:
    answer = error_reply(kind("it went wrong", where="there", hint="do this"))
    assert answer.status == kind.status
    assert json.loads(answer.body) == {"error": "there: it went wrong; do this"}
    assert (b"retry-after" in dict(answer.headers)) == (kind.status in (429, 503))
    assert (b"www-authenticate" in dict(answer.headers)) == (kind.status == 401)


def test_other_errors_of_the_package_are_the_clients_mistake() -> None:
    answer = error_reply(ConfigError("no such branch"))
    assert (answer.status, json.loads(answer.body)) == (400, {"error": "no such branch"})


def test_what_nobody_expected_is_logged_under_an_id_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        msg = "the secret"
        raise RuntimeError(msg)

    with caplog.at_level(logging.ERROR):
        answer = asgi(Failures(broken), "GET", "/")
    assert answer.status_code == 500
    content = answer.json()
    assert content == {"error": "internal error", "id": content["id"]}
    assert content["id"] in caplog.text
    assert "the secret" in caplog.text


def test_a_broken_plane_answers_500_on_the_fast_path_too(tmp_path: Path) -> None:
    class Broken(Server):
        def score_row_soon(self, *_: Any) -> Any:
            raise RuntimeError

    settings = Settings(repository=tmp_path)
    answer = asgi(
        create_app(Resources(Broken(settings), settings)), "POST", "/json", json={"keys": ["a"], "values": [1]}
    )
    assert answer.status_code == 500
    assert answer.json()["error"] == "internal error"


def test_long_and_odd_texts_are_made_fit() -> None:
    answer = error_reply(failures.BadRequestError("\ud800" + "x" * 10_000))
    text = json.loads(answer.body)["error"]
    assert text.startswith("?xxx")
    assert len(text) < 2100
    assert json.loads(error_reply(HTTPException(418, "tea")).body) == {"error": "tea"}


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/nothing", 404, "there is no such path"),
        ("POST", "/api/models/small/nothing", 404, "there is no such path"),
        ("GET", "/json", 405, "the path does not take GET, only POST"),
        ("DELETE", "/models", 405, "the path does not take DELETE, only GET, HEAD"),
        ("PUT", "/api/models/small", 405, "the path does not take PUT, only DELETE, GET, HEAD, PATCH"),
    ],
)
def test_paths_and_methods_that_are_not_there(served: Live, method: str, path: str, status: int, says: str) -> None:
    answer = served.client.request(method, path)
    assert (answer.status_code, answer.json()) == (status, {"error": says})
    assert (status == 405) == ("allow" in answer.headers)


def test_options_and_head(served: Live) -> None:
    for path, methods in (
        ("/json", "POST"),
        ("/models", "GET, HEAD"),
        ("/api/models/small", "DELETE, GET, HEAD, PATCH"),
    ):
        answer = served.client.options(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert sorted(answer.headers["allow"].split(", ")) == methods.split(", ")
    head, get = served.client.head("/models"), served.client.get("/models")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))


def test_everything_lies_below_the_base_path(small: Any, tmp_path: Path) -> None:
    with live_server(Settings(repository=tmp_path / "models", base_path="/tfaas")) as live:
        assert live.client.get("/models").json() == []
        answer = live.client.post("/upload?name=small", content=_tar(small.bundle))
        assert answer.status_code == 200, answer.text
        example = live.client.get("/api/models/small/metadata").json()["example"]
        assert live.client.post("/json", json=example).status_code == 200
        made = live.client.post("/api/models", content=_tar(small.bundle), params={"name": "b"})
        assert made.headers["location"] == "/tfaas/api/models/b/versions/1"
        root = live.url.removesuffix("/tfaas")
        assert httpx.get(f"{root}/models").status_code == 404
        assert httpx.get(f"{root}/tfaas", follow_redirects=True).status_code == 200
        assert "/tfaas/json" in live.client.get("/openapi.json").json()["paths"]


def _tar(folder: Path) -> bytes:
    import io
    import tarfile

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.add(folder, "small")
    return stream.getvalue()


def test_pages_are_whole_and_need_nothing_from_elsewhere(served: Live) -> None:
    for path in ("/", "/docs", "/netron/"):
        answer = served.client.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "http" not in answer.text.replace("http.", "").lower().split("<style>")[0]
        assert "<script" not in answer.text
    assert ">small<" in served.client.get("/").text
    docs = served.client.get("/docs").text
    for path in served.client.get("/openapi.json").json()["paths"]:
        assert path in docs


def raw_deflate(data: bytes) -> bytes:
    """Without zlib's frame, as some clients send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "plain": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "several members": ("GZIP", lambda data: gzip.compress(data[:9]) + gzip.compress(b"") + gzip.compress(data[9:])),
    "zlib": ("deflate", zlib.compress),
    "deflate": ("deflate", raw_deflate),
}
DAMAGED: dict[str, tuple[str, Callable[[bytes], bytes], int]] = {
    "garbage behind gzip": ("gzip", lambda data: gzip.compress(data) + b"garbage", 400),
    "zeros behind gzip": ("gzip", lambda data: gzip.compress(data) + bytes(8), 400),
    "garbage behind zlib": ("deflate", lambda data: zlib.compress(data) + b"garbage", 400),
    "garbage behind deflate": ("deflate", lambda data: raw_deflate(data) + b"garbage", 400),
    "half a member": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])[:-9], 400),
    "nothing": ("gzip", lambda _: b"", 400),
    "not packed": ("gzip", bytes, 400),
    "twice": ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data)), 415),
    "a bomb of members": ("gzip", lambda data: gzip.compress(data) + gzip.compress(bytes(2**17)) * 9, 413),
    "a bomb": ("deflate", lambda data: raw_deflate(data + bytes(2**26)), 413),
    "another": ("br", bytes, 415),
}


def doors(served: Live) -> dict[str, bytes]:
    """A body for each route that predicts, by path."""
    example = served.client.get("/api/models/small/metadata").json()["example"]
    row = Row(key=[], value=[])
    columns = served.client.get("/v2/models/small").json()["inputs"][0]["shape"][1]
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, columns], "data": [0.5] * columns}
    names = served.client.get("/api/models/small/metadata").json()["inputs"][0]["columns"]
    row.key.extend(names)
    row.value.extend([0.5] * columns)
    return {
        "/json": json.dumps(example).encode(),
        "/predict": json.dumps({"rows": [[0.5] * columns]}).encode(),
        "/proto": row.SerializeToString(),
        "/v2/models/small/infer": json.dumps({"inputs": [tensor]}).encode(),
    }


@pytest.mark.parametrize("kind", PACKED)
def test_every_door_reads_what_is_packed(served: Live, kind: str) -> None:
    encoding, pack = PACKED[kind]
    for path, body in doors(served).items():
        plain = served.client.post(path, content=body)
        assert plain.status_code == 200, plain.text
        answer = served.client.post(path, content=pack(body), headers={"content-encoding": encoding})
        assert (answer.status_code, answer.content) == (200, plain.content)


@pytest.mark.parametrize("kind", DAMAGED)
def test_every_door_refuses_what_is_damaged(served: Live, kind: str) -> None:
    encoding, pack, status = DAMAGED[kind]
    answers = [
        served.client.post(path, content=pack(body), headers={"content-encoding": encoding})
        for path, body in doors(served).items()
    ]
    assert [answer.status_code for answer in answers] == [status] * len(answers)
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize("kind", PACKED)
def test_a_root_file_may_be_packed(served: Live, small: Small, kind: str) -> None:
    encoding, pack = PACKED[kind]
    body = next(iter(small.paths.values())).read_bytes()
    headers = {"content-encoding": encoding, "content-type": "application/octet-stream"}
    answer = served.client.post("/predict/root", content=pack(body), headers=headers, params={"model": "small"})
    plain = served.client.post("/predict/root", content=body, headers=headers | {"content-encoding": "identity"})
    assert answer.status_code == plain.status_code == 200, answer.text
    assert answer.headers["x-entries"] == plain.headers["x-entries"]


@pytest.mark.parametrize(
    ("content", "encoding", "status", "says"),
    [
        (b"{}", "br", 415, "content-encoding 'br' is not known"),
        (b"{}", "gzip", 400, "the compressed body cannot be read: it is damaged"),
        (gzip.compress(b"{}", mtime=0)[:-9], "gzip", 400, "the compressed body is cut short"),
        (gzip.compress(bytes(2**26), mtime=0), "gzip", 413, "the body is larger than 1048576 bytes"),
    ],
)
def test_broken_compression_and_bombs_are_refused(
    served: Live, content: bytes, encoding: str, status: int, says: str
) -> None:
    answer = served.client.post("/json", content=content, headers={"content-encoding": encoding})
    assert answer.status_code == status
    assert says in answer.json()["error"]


BODIES = ["/json", "/proto", "/image", "/upload", "/predict/root", "/params", "/api/models", "/v2/models/small/infer"]


@pytest.mark.parametrize("path", BODIES)
def test_a_gigabyte_is_refused_before_it_has_come(served: Live, path: str) -> None:
    sent = 0

    def gigabyte() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1024):
            sent += 2**20
            yield bytes(2**20)

    kind = "multipart/form-data; boundary=b" if path == "/image" else "application/octet-stream"
    try:
        answer = served.client.post(path, content=gigabyte(), headers={"content-type": kind})
        assert answer.status_code in (400, 413), answer.text
        assert set(answer.json()) == {"error"}
    except httpx.WriteError:
        pass  # the server has closed the connection while the client was writing
    assert sent < 2**28


@pytest.mark.parametrize("path", BODIES)
def test_a_gigabyte_announced_is_refused_at_once(served: Live, path: str) -> None:
    with _connection(served) as client:
        kind = b"multipart/form-data; boundary=b" if path == "/image" else b"application/octet-stream"
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 1073741824\r\n\r\n"
        client.sendall(head % (path.encode(), kind))
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer.lower()


def test_absurd_lengths_are_refused(served: Live) -> None:
    with _connection(served) as client:
        client.sendall(b"POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999999999999\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 4")


def test_slow_clients_do_not_hold_up_others(served: Live) -> None:
    example = json.dumps(served.client.get("/api/models/small/metadata").json()["example"]).encode()
    slow = [_connection(served) for _ in range(20)]
    try:
        for client in slow:
            client.sendall(b"POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(example))
            client.sendall(example[:5])
        assert served.client.post("/json", content=example).status_code == 200
        for client in slow[:10]:
            client.close()
        for client in slow[10:]:
            client.sendall(example[5:])
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    finally:
        for client in slow:
            client.close()
    assert served.client.post("/json", content=example).status_code == 200


def test_a_million_keys_are_refused(served: Live) -> None:
    body = json.dumps({"keys": [""] * 100_000, "values": [0] * 100_000}).encode()
    answer = served.client.post("/json", content=body)
    assert (answer.status_code, answer.json()["error"]) == (413, "100000 keys are given, at most 1000 are allowed")


def _connection(live: Live) -> socket.socket:
    where = urlsplit(live.url)
    return socket.create_connection((str(where.hostname), where.port or 80), timeout=20)
