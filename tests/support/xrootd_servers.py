"""Real XRootD servers for tests: any configuration, killed and started again on the same port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

__all__ = ["XRootD", "free_port", "hand_over", "xrootd_folder"]

_STEP = 0.05
_TRIES = 400


class XRootD:
    """A server that exports ``store`` of its folder as ``/store``; as root it runs as the user ``xrootd``.

    Args:
        folder: of its own, from `xrootd_folder`; may be shared by servers with the same data.
        name: of its configuration and logs.
        lines: of its configuration, besides the usual ones.
        environment: of its process, besides the tests' own.
        plain: False: ``lines`` are the whole configuration; they name the port ``{port}`` and the folder ``{folder}``.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "server",
        lines: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        *,
        plain: bool = True,
    ) -> None:
        self.folder = folder
        self.name = name
        self.port = free_port()
        self._environment = {**os.environ, **(environment or {})}
        usual = ["all.role server", "all.export /store", f"oss.localroot {folder}", "xrd.port {port}"] if plain else []
        common = [f"all.adminpath {folder}/admin", f"all.pidpath {folder}/admin", "xrd.network nodnr"]
        text = "\n".join([*usual, *common, *lines, ""])
        self.config = folder / f"{name}.cfg"
        self.config.write_text(text.replace("{port}", str(self.port)).replace("{folder}", str(folder)))
        hand_over(folder)
        self.start()

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"root://localhost:{self.port}"

    @property
    def log(self) -> str:
        """What it wrote."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.rglob(f"{self.name}.log"))

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        command = ["xrootd", "-c", str(self.config), "-l", str(self.folder / f"{self.name}.log"), "-n", self.name]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "xrootd", "--", *command]
        self._process = subprocess.Popen(
            command,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            cwd=self.folder,
        )
        for _ in range(_TRIES):
            if self._process.poll() is not None:
                break
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            try:
                self._process.wait(_STEP)
            except subprocess.TimeoutExpired:
                continue
        pytest.fail(f"the xrootd server did not start:\n{self.log[-3000:]}")

    @property
    def group(self) -> int:
        """Number of the group of its processes."""
        return self._process.pid

    def pause(self) -> None:
        """Stop its process: connections stay, and nothing is answered."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        own = psutil.Process(self._process.pid)
        while any(one.status() != psutil.STATUS_STOPPED for one in (own, *own.children(recursive=True))):
            time.sleep(_STEP)

    def go_on(self) -> None:
        """Let it answer again, if it was not killed."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; it may be started again."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def xrootd_folder() -> Iterator[Path]:
    """A folder that the servers' user may enter, with ``store`` in it; skips the test where there is no server."""
    if shutil.which("xrootd") is None:
        pytest.skip("the program xrootd is not installed (Debian: xrootd-server)")
    pytest.importorskip("XRootD", reason="the package xrootd is not installed")
    root = Path(tempfile.mkdtemp(prefix="xrootd"))
    (root / "store").mkdir()
    hand_over(root)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def hand_over(folder: Path) -> None:
    """Give all below a folder to the servers' user, if the tests run as root."""
    if os.geteuid() != 0:
        return
    user = pwd.getpwnam("xrootd")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
