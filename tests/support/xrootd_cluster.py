"""A real XRootD redirector with two data servers, each with a process of its own for the cluster's management."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.xrootd_servers import XRootD, free_port, hand_over, xrootd_folder

__all__ = ["Cluster", "cluster"]

_COMMON = [
    "all.export /store",
    "all.manager localhost:{manager}",
    "cms.delay startup 1 service 1 suspend 1 lookup 1 servers 2",
    "cms.space min 1m",
]


@dataclass
class Cluster:
    """What is running.

    Attributes:
        redirector: the server that sends clients on.
        servers: those with the data.
        stores: what each of them exports as ``/store``.
    """

    redirector: XRootD
    servers: list[XRootD]
    stores: list[Path]

    @property
    def url(self) -> str:
        """Of the redirector, without a slash at its end."""
        return self.redirector.url


@contextmanager
def cluster(files: Sequence[Sequence[Path]]) -> Iterator[Cluster]:
    """Start it.

    Args:
        files: what each of the data servers holds.
    """
    if shutil.which("cmsd") is None:
        pytest.skip("the program cmsd is not installed (Debian: xrootd-server)")
    manager = free_port()
    managers: list[subprocess.Popen[bytes]] = []
    with xrootd_folder() as root:
        folders = [root / "redirector", *(root / f"server{number}" for number in range(len(files)))]
        servers: list[XRootD] = []
        try:
            for number, folder in enumerate(folders):
                store = folder / "store"
                store.mkdir(parents=True)
                for path in files[number - 1] if number else ():
                    shutil.copy(path, store / path.name)
                role = "server" if number else "manager"
                port = [] if number else ["if exec cmsd", f"xrd.port {manager}", "fi"]
                lines = [f"all.role {role}", *_COMMON, f"oss.localroot {folder}", "xrd.port {port}", *port]
                hand_over(root)
                made = XRootD(
                    folder, folder.name, [line.replace("{manager}", str(manager)) for line in lines], plain=False
                )
                servers.append(made)
                managers.append(_manager(made))
            _wait(servers[0])
            yield Cluster(servers[0], servers[1:], [folder / "store" for folder in folders[1:]])
        finally:
            for process in managers:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            for server in servers:
                server.kill()


def _manager(server: XRootD) -> subprocess.Popen[bytes]:
    command = ["cmsd", "-c", str(server.config), "-l", str(server.folder / "cmsd.log"), "-n", server.name]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "xrootd", "--", *command]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=server.folder
    )


def _wait(redirector: XRootD) -> None:
    """Until the redirector knows its servers."""
    from XRootD.client.filesystem import FileSystem
    from XRootD.client.flags import OpenFlags

    system = FileSystem(redirector.url)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status, found = system.locate("/store", OpenFlags.REFRESH, timeout=5)
        if status.ok and len(list(found)) > 1:
            return
        time.sleep(0.1)
    pytest.fail(f"the redirector knows no servers:\n{redirector.log[-3000:]}")
