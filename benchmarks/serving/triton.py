"""Triton Inference Server with its Python backend around ONNX Runtime, from the wheel of nvidia-pytriton."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environments import Absent, environment, unpacked
from benchmarks.serving.models import WIDTHS, network
from benchmarks.serving.servers import Server, end, free_ports, wait

__all__ = ["VERSION", "triton"]

VERSION = "2.51"
WHEEL = "nvidia-pytriton==0.7.0"
PACKAGES = ("numpy<2", "onnxruntime==1.20.1")
MODEL = Path(__file__).with_name("triton_model.py")
CONFIG = """
backend: "python"
max_batch_size: {rows}
input [{{ name: "features", data_type: TYPE_FP32, dims: [{width}] }}]
output [{{ name: "scores", data_type: TYPE_FP32, dims: [1] }}]
instance_group [{{ kind: KIND_CPU, count: {instances} }}]
dynamic_batching {{ }}
"""


@contextmanager
def triton(cache: Path, folder: Path, rows: int, instances: int = 1) -> Iterator[Server]:
    """Triton with dynamic batching, without metrics.

    Args:
        cache: keeps the server and its Python packages.
        folder: a new one, for its model and its log.
        rows: most in a batch.
        instances: processes that run the model.

    Raises:
        Absent: the wheel, or a shared library of this version of Python, is not there.
    """
    wheel = unpacked(cache, "triton", WHEEL)
    python = environment(cache, "triton-python", PACKAGES)
    backends = _backend(wheel / "pytriton" / "tritonserver", folder)
    version = folder / "models" / "network" / "1"
    version.mkdir(parents=True)
    text = CONFIG.format(rows=rows, width=WIDTHS[0], instances=instances)
    (version.parent / "config.pbtxt").write_text(text, encoding="utf-8")
    (version / "model.onnx").write_bytes(network().SerializeToString())
    shutil.copy(MODEL, version / "model.py")
    http, grpc = free_ports(2)
    server = wheel / "pytriton" / "tritonserver" / "bin" / "tritonserver"
    server.chmod(0o755)
    command = [str(server), f"--model-repository={version.parents[1]}", f"--backend-directory={backends}"]
    command += ["--http-address", "127.0.0.1", "--http-port", str(http)]
    command += ["--grpc-address", "127.0.0.1", "--grpc-port", str(grpc)]
    command += ["--allow-metrics=false", "--disable-auto-complete-config"]
    libraries = [str(folder / "lib"), str(_library().parent)]
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    environ = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries), "PATH": path}
    with (folder / "triton.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, text=True)
    try:
        found = Server("Triton" if instances == 1 else f"Triton, {instances} instances", http, grpc, process)
        wait(found.url("/v2/models/network/ready"), process)
        yield found
    finally:
        end(process)


def _backend(server: Path, folder: Path) -> Path:
    """Return a folder with the Python backend and its program for this version of Python."""
    backends = folder / "backends"
    shutil.copytree(server / "backends" / "python", backends / "python")
    name = _python().removeprefix("python")
    stub = server / "python_backend_stubs" / name / "triton_python_backend_stub"
    if not stub.exists():
        raise Absent(f"the wheel has no backend for Python {name}")
    (backends / "python" / stub.name).unlink(missing_ok=True)
    shutil.copy(stub, backends / "python")
    (backends / "python" / stub.name).chmod(0o755)
    (folder / "lib").mkdir()
    for library in (server.parents[1] / "nvidia_pytriton.libs").glob("libcudart*"):
        shutil.copy(library, folder / "lib")
    return backends


def _library() -> Path:
    found = Path(sysconfig.get_config_var("LIBDIR")) / str(sysconfig.get_config_var("INSTSONAME"))
    if not found.exists() or ".so" not in found.name:
        raise Absent(f"{found} is missing: this Python has no shared library")
    return found


def _python() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"
