"""Our servers, each a process of its own with its models, and what every server needs."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import ROOT, source_of

__all__ = ["BEFORE", "OURS", "Server", "end", "free_ports", "ours", "wait"]

OURS, BEFORE = "mlaas4hep", "the other checkout"
READY = 120.0


@dataclass
class Server:
    """A server that answers.

    Attributes:
        name: for people.
        http, grpc: ports on the loopback.
        process: to look at its memory.
    """

    name: str
    http: int
    grpc: int
    process: subprocess.Popen[str]

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.http}{path}"

    @property
    def memory(self) -> float:
        """Resident memory, MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        match = re.search(r"VmRSS:\s+(\d+) kB", text)
        assert match is not None
        return int(match[1]) / 1024

    @property
    def processor(self) -> float:
        """Processor time so far, seconds, of the process and its children."""
        ticks, left = 0, [self.process.pid]
        while left:
            process = Path(f"/proc/{left.pop()}")
            fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
            for thread in (process / "task").iterdir():
                left += map(int, (thread / "children").read_text(encoding="utf-8").split())
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def ours(repository: Path, folder: Path, workers: int = 1, checkout: Path = ROOT) -> Iterator[Server]:
    """``mlaas4hep serve`` with its defaults (metrics and logs on), in one process or several.

    Args:
        repository: of the models.
        folder: for its log.
        workers: processes.
        checkout: whose code runs.
    """
    name = (OURS if checkout == ROOT else BEFORE) + (f", {workers} processes" if workers > 1 else "")
    python, environment = source_of(checkout)
    command = [python, "-m", "mlaas4hep.cli.main", "serve", "--repository", str(repository)]
    command += ["--port", "0", "--grpc-port", "0", "--log-file", str(folder / f"{name}.log")]
    command += ["--workers", str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        ports = re.findall(r":(\d+)", line)
        if len(ports) < 2:
            raise SystemExit(f"the server did not start: {line}")
        server = Server(name, int(ports[0]), int(ports[1]), process)
        for model in sorted(path.name for path in repository.iterdir() if path.is_dir()):
            wait(server.url(f"/v2/models/{model}/ready"), process)
        yield server
    finally:
        end(process)


def free_ports(number: int) -> list[int]:
    """Return ports of the loopback that were free a moment ago."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait(url: str, process: subprocess.Popen[str]) -> None:
    """Wait until an address answers 200; end the run if it does not, or if the process has ended."""
    last = time.monotonic() + READY
    while time.monotonic() < last and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise SystemExit(f"no answer from {url}")


def end(process: subprocess.Popen[str]) -> None:
    """Stop a process, and wait until it has ended."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
