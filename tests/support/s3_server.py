"""A real S3 server process: moto's."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.xrootd_servers import free_port

__all__ = ["KEYS", "s3_server"]

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def s3_server(log: Path) -> Iterator[str]:
    """Start it; gives its address. Skips the test where it is not installed."""
    pytest.importorskip("moto", reason="the package moto is not installed")
    pytest.importorskip("s3fs", reason="the package s3fs is not installed")
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(600):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                pytest.fail(f"moto's server did not start:\n{log.read_text()[-2000:]}")
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
