"""Where tokens and proxies are found, and where they are not sent."""

from __future__ import annotations

import asyncio
import http.server
import os
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.client import AsyncModelClient, ModelClient
from mlaas4hep.client.credentials import tls_context
from mlaas4hep.credentials.bearer import find_token
from mlaas4hep.credentials.x509 import find_file
from mlaas4hep.errors import ConfigError

NAME = f"bt_u{os.getuid()}"
Environment = pytest.MonkeyPatch


@dataclass
class Recorder:
    """A server that remembers the Authorization header of each request."""

    url: str
    seen: list[str | None] = field(default_factory=list)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.seen.append(self.headers["authorization"])
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.url = f"http://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()


def test_places_in_their_order(monkeypatch: Environment, tmp_path: Path, bare: Path) -> None:
    assert find_token() is None
    (bare / NAME).write_text("temporary\n")
    assert find_token() == "temporary"
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    assert find_token() == "temporary"
    (tmp_path / "run" / NAME).write_text("  runtime  ")
    assert find_token() == "runtime"
    (tmp_path / "file").write_text("named\n")
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(tmp_path / "file"))
    assert find_token() == "named"
    monkeypatch.setenv("BEARER_TOKEN", "variable")
    assert find_token() == "variable"
    monkeypatch.setenv("BEARER_TOKEN", " ")
    assert find_token() == "named"


def test_the_token_that_is_found_is_sent(recorder: Recorder, monkeypatch: Environment, bare: Path) -> None:
    (bare / NAME).write_text("from-a-file\n")

    async def ask() -> None:
        async with AsyncModelClient(recorder.url) as client:
            await client.status()

    with ModelClient(recorder.url) as client:
        client.status()
    asyncio.run(ask())
    monkeypatch.setenv("BEARER_TOKEN", "from-the-environment")
    for token in (None, "given", ""):
        with ModelClient(recorder.url, token=token) as client:
            client.status()
    found = [f"Bearer {word}" for word in ("from-a-file", "from-a-file", "from-the-environment", "given")]
    assert recorder.seen == [*found, None]


def test_no_proxy_sees_the_token_on_its_way_to_this_machine(recorder: Recorder, monkeypatch: Environment) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with ModelClient(recorder.url, token="secret") as client:
        assert client.status() == {}
    assert recorder.seen == ["Bearer secret"]


@pytest.mark.parametrize(
    "url", ["http://models.example.org:8083", "HTTP://10.0.0.7/ml", "http://localhost.example.org"]
)
@pytest.mark.parametrize("kind", [ModelClient, AsyncModelClient])
def test_no_token_travels_unprotected(url: str, kind: type[ModelClient], monkeypatch: Environment) -> None:
    with pytest.raises(ConfigError, match="a token would travel unprotected; use https"):
        kind(url, token="secret")
    monkeypatch.setenv("BEARER_TOKEN", "secret")
    with pytest.raises(ConfigError) as caught:
        kind(url)
    assert "secret" not in str(caught.value)
    kind(url, insecure=True)
    kind(url, token="")
    kind(url.lower().replace("http:", "https:"))


@pytest.mark.parametrize("kind", [ModelClient, AsyncModelClient])
def test_the_clients_take_how_to_check_the_server(
    kind: type[ModelClient], monkeypatch: Environment, tmp_path: Path
) -> None:
    """Instead of the proxy of the environment, which is not even looked at."""
    proxy = tmp_path / "proxy"
    proxy.write_text("no certificate")
    monkeypatch.setenv("X509_USER_PROXY", str(proxy))
    kind("https://localhost:1", tls=ssl.create_default_context())
    with pytest.raises(ConfigError, match=r"X\.509 proxy"):
        kind("https://localhost:1")


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "caf\u00e9"])
def test_what_cannot_be_a_token_is_not_shown(token: str) -> None:
    with pytest.raises(ConfigError, match="that no token has") as caught:
        ModelClient("http://localhost:1", token=token)
    assert token not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:8083", "ftp://host/x", "http://", "http://[bad", "http://host:port", ""])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ConfigError, match="is not a URL of a server; such as https"):
        ModelClient(url)


def test_token_files_that_cannot_be_read(monkeypatch: Environment, tmp_path: Path, bare: Path) -> None:
    (bare / NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=f"{NAME}: the token cannot be read"):
        find_token()
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"gone: the token cannot be read .*look at BEARER_TOKEN_FILE"):
        find_token()


def test_a_proxy_of_x509(monkeypatch: Environment, tmp_path: Path, bare: Path) -> None:
    assert find_file() is None
    tls_context()
    usual = bare / f"x509up_u{os.getuid()}"
    usual.write_text("no certificate")
    assert find_file() == str(usual)
    named = tmp_path / "proxy"
    named.write_text("no certificate")
    monkeypatch.setenv("X509_USER_PROXY", str(named))
    assert find_file() == str(named)
    with pytest.raises(ConfigError, match=r"proxy: the X\.509 proxy cannot be used .*; renew or remove it"):
        ModelClient("https://localhost:1")
