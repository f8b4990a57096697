"""What a model took is there for the next one, and is given back to the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.support.serve_process import ROOT

MIB = 2**20
PROCESS = """
import sys, time
from pathlib import Path
import numpy as np
from mlaas4hep.errors.serving import ModelFailedError
from mlaas4hep.frameworks.onnx import memory as onnx_memory
from mlaas4hep.frameworks.onnx.runtime import OnnxRuntime

MIB = 2**20

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / MIB

def opened():
    return OnnxRuntime(Path(sys.argv[1]), memory=512 * MIB)

def rows(size):  # a run needs about three times as many MiB as it has rows
    return {"x": np.zeros((size, 1), np.float32)}

runtime = opened()
runtime.run(rows(1), timeout=100)
before = resident()
"""


def widening(path: Path) -> Path:
    """A model whose intermediate results take a MiB a row each, of which two live at a time."""
    nodes = [
        helper.make_node("Expand", ["x", "shape"], ["wide"]),
        helper.make_node("Exp", ["wide"], ["exp"]),
        helper.make_node("ReduceMax", ["exp"], ["y"], axes=[1], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "wide",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
        [helper.make_tensor("shape", TensorProto.INT64, [2], [1, MIB // 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def in_a_process(tmp_path: Path, code: str) -> None:
    line = [sys.executable, "-c", PROCESS + code, str(widening(tmp_path / "m.onnx"))]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT / "src")})
    assert done.returncode == 0, done.stderr


def test_what_fits_runs_whatever_came_before(tmp_path: Path) -> None:
    in_a_process(
        tmp_path,
        """
for size in (60, 120, 200, 60, 200, 120):
    runtime.run(rows(size), timeout=100)
try:
    runtime.run(rows(600), timeout=100)
    raise AssertionError("there is a limit")
except ModelFailedError as error:
    assert "limits.model_memory" in str(error), error
for size in (200, 60, 200):
    runtime.run(rows(size), timeout=100)
""",
    )


def test_memory_is_given_back_when_a_model_goes(tmp_path: Path) -> None:
    in_a_process(
        tmp_path,
        """
onnx_memory.IDLE = 3600
runtime.run(rows(200), timeout=100)
assert resident() > before + 150, (before, resident())
runtime.close()
assert resident() < before + 60, (before, resident())
""",
    )


def test_memory_is_given_back_after_some_peace(tmp_path: Path) -> None:
    in_a_process(
        tmp_path,
        """
onnx_memory.IDLE = 0.2
onnx_memory.LONG = 0.0
runtime.run(rows(200), timeout=100)
end = time.monotonic() + 60
while resident() > before + 60:
    assert time.monotonic() < end, (before, resident())
    time.sleep(0.05)
runtime.run(rows(200), timeout=100)
""",
    )


def test_a_run_out_of_memory_leaves_none_behind(tmp_path: Path) -> None:
    in_a_process(
        tmp_path,
        """
onnx_memory.IDLE = 3600
try:
    runtime.run(rows(300), timeout=100)
    raise AssertionError("there is a limit")
except ModelFailedError:
    pass
assert resident() < before + 60, (before, resident())
""",
    )


@pytest.mark.parametrize("command", ["unload", "delete"])
def test_a_server_gives_memory_back(tmp_path: Path, command: str) -> None:
    import json
    from urllib.request import Request, urlopen

    from tests.support.serve_process import ServeProcess, eventually

    (tmp_path / "models" / "wide" / "1").mkdir(parents=True)
    widening(tmp_path / "models" / "wide" / "1" / "model.onnx")
    server = ServeProcess(tmp_path / "serve", tmp_path / "models", {"limits": {"model_memory": "1 GB"}})

    def resident() -> float:
        return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096 / MIB

    def ask(path: str, body: object = None, method: str = "POST") -> object:
        data = None if body is None else json.dumps(body).encode()
        request = Request(server.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=100) as answer:
            return json.loads(answer.read() or b"null")

    def predict(size: int) -> object:
        return ask("/predict", {"model": "wide", "rows": [[0.0]] * size})

    try:
        eventually(lambda: ask("/v2/repository/index", {"ready": True}))
        predict(1)
        before = resident()
        for size in (200, 400, 200):
            predict(size)
        if command == "unload":
            ask("/v2/repository/models/wide/unload", {})
        else:
            ask("/api/models/wide", method="DELETE")
        assert eventually(lambda: resident() < before + 100), (before, resident())
    finally:
        server.stop()
