"""A real XRootD server for the tests that need one."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_STEP = 0.05
_TRIES = 400


@dataclass(frozen=True)
class XRootDServer:
    """A running server.

    Attributes:
        url: without a slash at its end, e.g. ``root://localhost:1094``.
        folder: what it exports as ``/store``.
    """

    url: str
    folder: Path


@pytest.fixture(scope="session")
def xrootd_server() -> Iterator[XRootDServer]:
    """A server on a free port of this machine; it runs as the user ``xrootd`` if the tests run as root."""
    program = shutil.which("xrootd")
    if program is None:
        pytest.skip("the program xrootd is not installed (Debian: xrootd-server)")
    pytest.importorskip("XRootD", reason="the package xrootd is not installed")
    root = Path(tempfile.mkdtemp(prefix="xrootd"))
    store = root / "store"
    store.mkdir()
    port = _free_port()
    config = root / "server.cfg"
    config.write_text(
        f"all.role server\nall.export /store\noss.localroot {root}\nxrd.port {port}\n"
        f"all.adminpath {root / 'admin'}\nall.pidpath {root / 'admin'}\nxrd.network nodnr\n",
        encoding="utf-8",
    )
    command = [program, "-c", str(config), "-l", str(root / "server.log"), "-n", "test"]
    if os.geteuid() == 0:
        user = pwd.getpwnam("xrootd")
        for folder in (root, store):
            os.chown(folder, user.pw_uid, user.pw_gid)
        command = ["runuser", "-u", "xrootd", "--", *command]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, port, root)
        yield XRootDServer(f"root://localhost:{port}", store)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(root, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, root: Path) -> None:
    for _ in range(_TRIES):
        if process.poll() is not None:
            break
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            process.wait(_STEP)
        except subprocess.TimeoutExpired:
            continue
    logs = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in root.rglob("server.log"))
    pytest.fail(f"the xrootd server did not start:\n{logs[-2000:]}")
