"""Parts of files over HTTP: the right bytes or an error, credentials to the right server alone, renewed ones used."""

from __future__ import annotations

import gzip
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import CredentialError, FileReadError
from mlaas4hep.errors.reading import AuthenticationError
from mlaas4hep.streaming.readers import open_source
from mlaas4hep.streaming.remote.http import client as http_client
from tests.support.bare_environment import bare_environment
from tests.support.grid import Authority, Person, unsigned_token
from tests.support.https_files import Handler, Site, site
from tests.support.session_authority import session_authority

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="session")
def authority() -> Authority:
    return session_authority()


@pytest.fixture(scope="session")
def person(authority: Authority) -> Person:
    return authority.person()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return bare_environment(monkeypatch, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    (made / "a.bin").write_bytes(CONTENT)
    (made / "a.csv").write_text("x\n" + "\n".join(map(str, range(5000))) + "\n")
    return made


@pytest.fixture
def plain(folder: Path) -> Iterator[Site]:
    with site(folder) as made:
        yield made


@pytest.fixture
def secure(folder: Path, authority: Authority) -> Iterator[Site]:
    with site(folder, authority) as made:
        yield made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.integers(0, 11_000), st.integers(0, 11_000))
def test_any_part_is_the_right_one(plain: Site, start: int, stop: int) -> None:
    assert http_client.read(f"{plain.url}/a.bin", start, stop) == CONTENT[start:stop]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.integers(0, 300), st.integers(0, 300))
def test_a_server_of_whole_files_gives_their_beginning(plain: Site, start: int, size: int) -> None:
    plain.ranges = False
    assert http_client.describe(f"{plain.url}/a.bin")["accept-ranges"] == "none"
    if start == 0 or size == 0:
        assert http_client.read(f"{plain.url}/a.bin", start, start + size) == CONTENT[start : start + size]
    else:
        with pytest.raises(OSError, match="200, rather than 206"):
            http_client.read(f"{plain.url}/a.bin", start, start + size)


@pytest.mark.parametrize("wrong", ["other bytes", "fewer bytes", "no size"])
def test_a_server_that_sends_something_else(plain: Site, wrong: str) -> None:
    def answer(handler: Handler) -> bool:
        ranges = {"other bytes": "bytes 11-20/10240", "fewer bytes": "bytes 10-29/10240", "no size": "bytes 10-19/*"}
        handler.send_body(206, b"x" * 10, content_range=ranges[wrong])
        return True

    plain.answer = answer
    url = f"{plain.url}/a.bin"
    with pytest.raises(OSError, match="the server returned 206"):
        http_client.describe(url) if wrong == "no size" else http_client.read(url, 10, 20)


def test_a_kept_connection_that_the_server_has_closed() -> None:
    """It is opened again, and nobody notices."""
    head = b"HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-1/2\r\ncontent-length: 2\r\n\r\n"

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            connection = server.accept()[0]
            connection.recv(4096)
            connection.sendall(head + b"ab")
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        for _ in range(2):
            assert http_client.read(f"http://127.0.0.1:{server.getsockname()[1]}/a", 0, 2) == b"ab"
        thread.join()


def test_a_token_is_read_anew_for_each_request(secure: Site, bare: Path) -> None:
    file = bare / f"bt_u{os.getuid()}"
    file.touch(mode=0o600)
    for token in ("first", "second"):
        secure.token = token
        file.write_text(f"{token}\n")
        source = open_source(f"{secure.url}/a.csv", None)
        np.testing.assert_array_equal(source.read(["x"], 4990, 5000)["x"], np.arange(4990, 5000))
    secure.token = "third"
    with pytest.raises(FileReadError, match="the server refused your identity"):
        open_source(f"{secure.url}/a.csv", None)
    assert {given for _, _, given in secure.seen} == {"Bearer first", "Bearer second"}


def test_an_expired_token_is_not_even_sent(secure: Site, plain: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEARER_TOKEN", unsigned_token(exp=time.time() - 100))
    with pytest.raises(CredentialError, match="BEARER_TOKEN: the bearer token expired 1 min"):
        open_source(f"{secure.url}/a.csv", None)
    assert secure.seen == []
    open_source(f"{plain.url}/a.csv", None)


def test_no_token_travels_in_the_open_or_to_another_host(
    secure: Site, plain: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEARER_TOKEN", "secret")
    http_client.read(f"{plain.url}/a.bin", 0, 5)
    other = secure.url.replace("localhost", "127.0.0.1")

    def elsewhere(handler: Handler) -> bool:
        if handler.headers["host"].startswith("127.0.0.1"):
            return False
        handler.send_body(307, b"", location=f"{other}/a.bin")
        return True

    secure.answer = elsewhere
    assert http_client.read(f"{secure.url}/a.bin", 2, 9) == CONTENT[2:9]
    assert [token for _, _, token in plain.seen + secure.seen] == [None, "Bearer secret", None]


def test_redirects_without_end(plain: Site) -> None:
    def around(handler: Handler) -> bool:
        handler.send_body(302, b"", location=handler.path)
        return True

    plain.answer = around
    with pytest.raises(OSError, match=r"returned 302 \(redirect\) again and again"):
        http_client.read(f"{plain.url}/a.bin", 0, 5)


def test_a_proxy_is_shown_to_a_server_that_asks_for_it(
    folder: Path, authority: Authority, person: Person, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(folder, authority, asks_for_proxy=True) as made:
        monkeypatch.setenv("X509_USER_PROXY", str(bare / "proxy"))
        person.proxy(bare / "proxy", timedelta(hours=1))
        assert http_client.read(f"{made.url}/a.bin", 2, 9) == CONTENT[2:9]
        assert http_client.read(f"{made.url.replace('https:', 'davs:')}/a.bin", 2, 9) == CONTENT[2:9]


@pytest.mark.parametrize("content", ["nothing", "expired", "half"])
def test_a_proxy_that_cannot_be_used_does_no_harm_where_none_is_asked_for(
    content: str, secure: Site, plain: Site, person: Person, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for one that is valid and has no key, which is named."""
    proxy = bare / "proxy"
    monkeypatch.setenv("X509_USER_PROXY", str(proxy))
    monkeypatch.setenv("BEARER_TOKEN", "valid")
    person.proxy(proxy, timedelta(hours=-1 if content == "expired" else 1))
    if content != "expired":
        proxy.write_text("nothing" if content == "nothing" else proxy.read_text().split("-----BEGIN RSA")[0])
    assert http_client.read(f"{plain.url}/a.bin", 2, 9) == CONTENT[2:9]
    if content == "half":
        with pytest.raises(AuthenticationError, match=r"the X\.509 proxy .*proxy cannot be used"):
            http_client.read(f"{secure.url}/a.bin", 2, 9)
    else:
        assert http_client.read(f"{secure.url}/a.bin", 2, 9) == CONTENT[2:9]


def test_a_compressed_file_is_read_as_it_is_stored(plain: Site, folder: Path) -> None:
    """Some servers tell of the compression of a file as if it were that of their answer."""
    packed = gzip.compress(b"x\n" + b"\n".join(b"%d" % i for i in range(5000)))
    (folder / "a.csv.gz").write_bytes(packed)

    def answer(handler: Handler) -> bool:
        first, last = handler.headers["range"].removeprefix("bytes=").split("-")
        part = packed[int(first) : int(last) + 1]
        size = f"bytes {first}-{int(first) + len(part) - 1}/{len(packed)}"
        handler.send_body(206, part, content_range=size, content_encoding="gzip")
        return True

    plain.answer = answer
    assert http_client.read(f"{plain.url}/a.csv.gz", 100, 200) == packed[100:200]
    np.testing.assert_array_equal(open_source(f"{plain.url}/a.csv.gz", None).read(["x"], 0, 5000)["x"], np.arange(5000))


def test_a_server_of_another_authority(folder: Path, tmp_path: Path) -> None:
    with site(folder, Authority(tmp_path / "other")) as made:
        with pytest.raises(FileReadError) as caught:
            open_source(f"{made.url}/a.csv", None)
        assert "certificate" in str(caught.value)


@pytest.mark.parametrize("url", ["http://[bad/a.csv", "http:///a.csv", "http://host:port/a.csv"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(FileReadError):
        open_source(url, None)
