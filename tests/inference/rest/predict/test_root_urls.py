"""Redirects of files read by URL, and what the process that reads them is told."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.errors.serving import BadRequestError, ForbiddenError
from mlaas4hep.inference.rest.predict.root_files import SCORE, grid_environment
from mlaas4hep.inference.rest.predict.root_urls import allowed_url, final_url
from mlaas4hep.sandbox.process import ChildError, ask_once
from tests.support.trained import Small

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


@pytest.mark.parametrize("name", ["*.root", "a[12].root", "", "x/"])
def test_a_url_of_several_files_is_refused(name: str) -> None:
    with pytest.raises(BadRequestError, match="stands for several files"):
        allowed_url(f"root://host//store/{name}", ("root://host//store/",))
    assert allowed_url("root://host//store/a.root?x=*/", ("root://host//store/",))


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
    found = grid_environment()
    assert "DATABASE_PASSWORD" not in found
    assert [found[name] for name in ("X509_USER_PROXY", "BEARER_TOKEN_FILE", "XRD_REQUESTTIMEOUT")] == ["/value"] * 3


class Sly(BaseHTTPRequestHandler):
    """Says to a check that there is no redirect, and redirects the reader; or sends the file's one part asked for."""

    content = b""
    target = ""
    asked: list[str]

    def do_HEAD(self) -> None:
        """A check, or the reader's question for the size."""
        self.asked.append(f"HEAD {self.path}")
        self.send_response(200)
        self.send_header("content-length", str(len(self.content)))
        self.end_headers()

    def do_GET(self) -> None:
        """The reader."""
        self.asked.append(f"GET {self.path}")
        if self.target and self.path.startswith("/data/"):
            self.send_response(302)
            self.send_header("location", self.target)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        start, stop = (int(match[1]), int(match[2]) + 1) if match else (0, len(self.content))
        part = self.content[start:stop]
        self.send_response(206 if match else 200)
        self.send_header("content-range", f"bytes {start}-{start + len(part) - 1}/{len(self.content)}")
        self.send_header("content-length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def sly(content: bytes, target: str = "") -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and what it was asked."""
    asked: list[str] = []
    kind = type("Own", (Sly,), {"content": content, "target": target, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def score(small: Small, url: str, prefix: str, output: Path) -> dict[str, Any]:
    """What the process that scores a file answers."""
    question = {
        "bundle": str(small.bundle), "source": url, "output": str(output), "tree": None, "threads": 1, "urls": [prefix],
    }  # fmt: skip
    return asyncio.run(ask_once(SCORE, question, seconds=120, threads=1, memory=16 << 30, variables={}))


def test_a_redirect_of_the_reader_leads_nowhere_else(small: Small, tmp_path: Path) -> None:
    content = small.paths["signal"].read_bytes()
    with sly(content) as (elsewhere, seen):
        for target in (f"{elsewhere}/data/f.root", "http://127.0.0.1:1/data/f.root"):
            with sly(content, target) as (site, asked):
                with pytest.raises(ChildError, match="this server does not read files from there") as caught:
                    score(small, f"{site}/data/f.root", f"{site}/data/", tmp_path / "scores.root")
                assert caught.value.kind == "refused"
                assert any(line.startswith("GET ") for line in asked)
        assert seen == []


def test_a_file_below_a_prefix_is_read(small: Small, tmp_path: Path) -> None:
    with sly(small.paths["signal"].read_bytes()) as (site, asked):
        answer = score(small, f"{site}/data/f.root", f"{site}/data/", tmp_path / "scores.root")
    assert answer["entries"] > 0, answer
    assert any(line.startswith("GET /data/") for line in asked)
