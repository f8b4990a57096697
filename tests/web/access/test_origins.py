"""Requests that web pages make a browser send, and other names that lead to loopback."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import httpx
import pytest
import tritonclient.grpc

from mlaas4hep.errors import ConfigError
from mlaas4hep.errors.serving import ForbiddenError
from mlaas4hep.inference.settings import Security, Settings
from mlaas4hep.web.access.origins import Origins
from mlaas4hep.web.sockets import bind, is_loopback
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.serve_process import ServeProcess
from tests.web.access.test_rate_limit import exchange

Start = Callable[..., ServeProcess]
LOCAL = Settings(security=Security(hosts=("Models.example.org",)))
PUBLIC = Settings(host="0.0.0.0", insecure=True)


@pytest.mark.parametrize(
    ("settings", "method", "host", "origin"),
    [
        (LOCAL, "POST", b"localhost:8083", None),
        (LOCAL, "POST", b"LOCALHOST", None),
        (LOCAL, "POST", b"127.0.0.1:1", b"http://127.0.0.1:1"),
        (LOCAL, "POST", b"[::1]:8083", b"http://[::1]:8083"),
        (LOCAL, "POST", b"models.example.org:8443", None),
        (LOCAL, "POST", b"localhost", b"https://models.example.org:8443"),
        (LOCAL, "GET", b"localhost", b"https://elsewhere.example.org"),
        (LOCAL, "POST", None, None),
        (LOCAL, "POST", b"127.0.0.2:8083", b"http://127.0.0.2:8083"),
        (LOCAL, "POST", b"[::ffff:127.0.0.1]:1", None),
        (Settings(host="127.3.2.1"), "POST", b"127.3.2.1", None),
        (Settings(host="[::1]"), "POST", b"[::1]:5", None),
        (Settings(host="LocalHost"), "GET", b"localhost", None),
        (PUBLIC, "POST", b"any.example.org", b"https://any.example.org"),
    ],
)
def test_allowed(settings: Settings, method: str, host: bytes | None, origin: bytes | None) -> None:
    Origins(settings).check(method, host, origin)


@pytest.mark.parametrize(
    ("settings", "method", "host", "origin", "says"),
    [
        (LOCAL, "GET", b"evil.example.org", None, "does not go by the name 'evil.example.org'"),
        (LOCAL, "POST", b"localhost.evil.org:8083", None, "does not go by the name"),
        (LOCAL, "POST", b"localhost@evil.org", None, "does not go by the name"),
        (LOCAL, "POST", b"", None, "does not go by the name"),
        (LOCAL, "POST", b"192.168.0.1", None, "does not go by the name"),
        (LOCAL, "POST", b"0.0.0.0:8083", None, "does not go by the name"),
        (LOCAL, "POST", b"127.0.0.1.nip.io", None, "does not go by the name"),
        (LOCAL, "POST", b"localhost:x", None, "does not go by the name"),
        (LOCAL, "POST", b"[::1", None, "does not go by the name"),
        (LOCAL, "POST", b"localhost:8083", b"http://localhost:9000", "pages of 'http://localhost:9000'"),
        (LOCAL, "DELETE", b"localhost", b"null", "pages of 'null' may not do this"),
        (LOCAL, "POST", None, b"http://evil.example.org", "pages of"),
        (PUBLIC, "PUT", b"any.example.org", b"https://evil.example.org", "pages of"),
        (PUBLIC, "PATCH", b"any.example.org", b"file://any.example.org", "pages of"),
    ],
)
def test_refused(settings: Settings, method: str, host: bytes | None, origin: bytes | None, says: str) -> None:
    with pytest.raises(ForbiddenError, match=says):
        Origins(settings).check(method, host, origin)


def test_over_http(start: Start) -> None:
    serving = start({"base_path": "/ml"})
    with httpx.Client(base_url=serving.url.removesuffix("/ml") + "/ml") as client:
        evil = {"origin": "http://evil.example.org"}
        answer = client.post("/upload", headers=evil, files={"model": b"x"}, data={"name": "n"})
        assert answer.status_code == 403
        assert "pages of 'http://evil.example.org' may not do this" in answer.json()["error"]
        rebound = client.get("/models", headers={"host": "evil.example.org:8083"})
        assert (rebound.status_code, list(rebound.json())) == (403, ["error"])
        assert client.get("/models", headers=evil).status_code == 200
        slash = client.get("/models/", follow_redirects=False)
        assert (slash.status_code, list(slash.json())) == (404, ["error"])
        assert client.get("/health/live").status_code == 200
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert client.get(httpx.URL(serving.url).copy_with(path=path)).status_code == 404
    serving.stop()


def test_tokens_are_enough(start: Start, issuer: Issuer) -> None:
    serving = start({"security": {"issuers": [issuer.url], "audience": [AUDIENCE]}})
    headers = {"authorization": f"Bearer {issuer.token('models.read')}", "host": "models.example.org"}
    assert httpx.get(f"{serving.url}/models", headers=headers).status_code == 200
    serving.stop()


def test_what_is_no_http_is_told_so_in_json(start: Start) -> None:
    serving = start()
    answer = exchange(serving.port, b"no http at all\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body) == {"error": "the request is not HTTP"}
    serving.stop()


@pytest.mark.parametrize("host", ["127.0.0.2", "::1", "[::1]", "localhost", "0.0.0.0", "::", socket.gethostname()])
def test_the_address_that_is_printed_works(start: Start, host: str) -> None:
    try:
        bind(host.strip("[]"), 0).close()
    except ConfigError:
        pytest.skip("not an address of this machine")
    free = is_loopback(host.strip("[]"))
    serving = start(None, "--host", host, *([] if free else ["--insecure"]))
    row = {"model": "scorer", "rows": [[0.1, 0.2, 0.3]]}
    answer = httpx.post(f"{serving.url}/predict", json=row, headers={"origin": serving.url})
    assert answer.status_code == 200, answer.text
    with tritonclient.grpc.InferenceServerClient(serving.grpc) as client:
        assert client.is_server_live()
    serving.stop()
