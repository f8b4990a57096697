"""Redirects of files read by URL, and what the process that reads them is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlaas4hep.inference.failures import BadRequestError, ForbiddenError
from mlaas4hep.inference.rest.root_files import final_url, remote_environment

TARGETS = {"/data/a": "/data/b", "/data/b": "c", "/data/out": "/secret", "/data/loop": "/data/loop"}
TARGETS["/data/far"] = "http://elsewhere.invalid/data/"


class Redirecting(BaseHTTPRequestHandler):
    """Redirects what is in the table."""

    def do_HEAD(self) -> None:
        """One request."""
        target = TARGETS.get(self.path)
        self.send_response(200 if target is None else 302)
        if target is not None:
            self.send_header("location", target)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of a server that redirects."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_redirects_below_a_prefix_are_followed(site: str) -> None:
    assert asyncio.run(final_url(f"{site}/data/a", (f"{site}/data/",))) == f"{site}/data/c"
    assert asyncio.run(final_url("root://host//a.root", ("root://host/",))) == "root://host//a.root"


@pytest.mark.parametrize("path", ["/data/out", "/data/far"])
def test_redirects_elsewhere_are_forbidden(site: str, path: str) -> None:
    with pytest.raises(ForbiddenError, match="does not read files from there"):
        asyncio.run(final_url(f"{site}{path}", (f"{site}/data/",)))


def test_endless_redirects_and_dead_servers_are_named(site: str) -> None:
    with pytest.raises(BadRequestError, match="redirected too often"):
        asyncio.run(final_url(f"{site}/data/loop", (f"{site}/data/",)))
    with pytest.raises(BadRequestError, match=r"cannot be reached \(ConnectError\)"):
        asyncio.run(final_url("http://127.0.0.1:1/x", ("http://127.0.0.1:1/",)))


def test_the_process_gets_the_means_of_the_grid_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_PASSWORD", "X509_USER_PROXY", "BEARER_TOKEN_FILE", "XRD_REQUESTTIMEOUT"):
        monkeypatch.setenv(name, "/value")
    found = remote_environment(1, "/tmp/place")
    assert "DATABASE_PASSWORD" not in found
    assert [found[name] for name in ("X509_USER_PROXY", "BEARER_TOKEN_FILE", "XRD_REQUESTTIMEOUT")] == ["/value"] * 3
    assert found["HOME"] == "/tmp/place"
