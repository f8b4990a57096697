"""The servers that are compared, each a process of its own with its models."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.models import network

__all__ = ["Server", "mlserver", "ours"]

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = Path(__file__).with_name("mlserver_runtime.py")
VERSION = "1.7.1"
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


@contextmanager
def ours(repository: Path, folder: Path, workers: int = 1) -> Iterator[Server]:
    """``mlaas4hep serve`` with its defaults (metrics and logs on), in one process or several."""
    command = [sys.executable, "-m", "mlaas4hep.cli.main", "serve", "--repository", str(repository)]
    command += ["--port", "0", "--grpc-port", "0", "--log-file", str(folder / f"serve{workers}.log")]
    command += ["--workers", str(workers)]
    paths = filter(None, (str(ROOT / "src"), os.getenv("PYTHONPATH")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        ports = re.findall(r":(\d+)", line)
        if len(ports) < 2:
            raise SystemExit(f"the server did not start: {line}")
        name = "mlaas4hep" if workers == 1 else f"mlaas4hep, {workers} processes"
        server = Server(name, int(ports[0]), int(ports[1]), process)
        for model in sorted(path.name for path in repository.iterdir() if path.is_dir()):
            _wait(server.url(f"/v2/models/{model}/ready"), process)
        yield server
    finally:
        _end(process)


@contextmanager
def mlserver(cache: Path, folder: Path, *, quick_parser: bool = False) -> Iterator[Server]:
    """MLServer with our runtime for ONNX, in its own environment: one process, no parallel workers, no access log.

    Args:
        cache: keeps its environment.
        folder: a new one, for its models and its log.
        quick_parser: with httptools, which its package does not ask for and uvicorn takes if it is there.
    """
    python = _environment(cache)
    model = folder / "network"
    model.mkdir(parents=True)
    (model / "model.onnx").write_bytes(network().SerializeToString())
    (folder / "mlserver_runtime.py").write_bytes(RUNTIME.read_bytes())
    settings = {
        "name": "network",
        "implementation": "mlserver_runtime.OnnxModel",
        "parameters": {"uri": "./model.onnx"},
    }
    (model / "model-settings.json").write_text(json.dumps(settings), encoding="utf-8")
    http, grpc, metrics = _ports(3)
    general = {
        "host": "127.0.0.1",
        "http_port": http,
        "grpc_port": grpc,
        "metrics_port": metrics,
        "metrics_endpoint": None,
        "parallel_workers": 0,
        "debug": False,
        "gzip_enabled": False,
        "grpc_max_message_length": 2**30,
    }
    (folder / "settings.json").write_text(json.dumps(general), encoding="utf-8")
    paths = [str(folder), *([str(cache / "httptools")] if quick_parser else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with (folder / "mlserver.log").open("w") as log:
        process = subprocess.Popen(
            [str(python.with_name("mlserver")), "start", "."], cwd=folder, env=environment, text=True,
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        server = Server("MLServer + httptools" if quick_parser else "MLServer", http, grpc, process)
        _wait(server.url("/v2/models/network/ready"), process)
        yield server
    finally:
        _end(process)


def _environment(cache: Path) -> Path:
    """MLServer's Python; the environment is made the first time."""
    folder = cache / "mlserver"
    python = folder / "bin" / "python"
    cache.mkdir(exist_ok=True)
    (cache / ".gitignore").write_text("*\n", encoding="utf-8")
    stamp = folder / ".stamp"
    if not stamp.exists():
        print(f"making MLServer's environment in {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"mlserver=={VERSION}", "onnxruntime"], check=True)
        subprocess.run([*pip, "--target", str(cache / "httptools"), "httptools"], check=True)
        stamp.touch()
    return python


def _ports(number: int) -> list[int]:
    """Free ones, as far as one can know."""
    places = [socket.socket() for _ in range(number)]
    for place in places:
        place.bind(("127.0.0.1", 0))
    ports = [int(place.getsockname()[1]) for place in places]
    for place in places:
        place.close()
    return ports


def _wait(url: str, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + READY
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise SystemExit(f"no answer from {url}")


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
