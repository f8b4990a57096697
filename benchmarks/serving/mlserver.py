"""MLServer, a peer of Python."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environments import environment, unpacked
from benchmarks.serving.models import network
from benchmarks.serving.servers import Server, end, free_ports, wait

__all__ = ["VERSION", "mlserver"]

RUNTIME = Path(__file__).with_name("mlserver_runtime.py")
VERSION = "1.7.1"


@contextmanager
def mlserver(cache: Path, folder: Path, *, quick_parser: bool = False) -> Iterator[Server]:
    """MLServer with our runtime for ONNX, in its own environment: one process, no parallel workers, no access log.

    Args:
        cache: keeps its environment.
        folder: a new one, for its models and its log.
        quick_parser: with httptools, which its package does not ask for and uvicorn takes if it is there.

    Raises:
        Absent: its package cannot be installed.
    """
    python = environment(cache, "mlserver", (f"mlserver=={VERSION}", "onnxruntime"))
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
    http, grpc, metrics = free_ports(3)
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
    paths = [str(folder), *([str(unpacked(cache, "httptools", "httptools"))] if quick_parser else [])]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with (folder / "mlserver.log").open("w") as log:
        process = subprocess.Popen(
            [str(python.with_name("mlserver")), "start", "."], cwd=folder, env=environ, text=True,
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        server = Server("MLServer + httptools" if quick_parser else "MLServer", http, grpc, process)
        wait(server.url("/v2/models/network/ready"), process)
        yield server
    finally:
        end(process)
