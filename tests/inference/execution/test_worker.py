from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from mlaas4hep.errors.serving import (
    BadRequestError,
    ModelFailedError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from mlaas4hep.inference.execution.opening import open_runtime
from mlaas4hep.inference.execution.worker import WorkerRuntime
from mlaas4hep.inference.settings import Limits
from tests.support.worker_models import bessel, served_bessel

LIMITS = Limits(conversion_memory=4 * 2**30, conversion_timeout=100)
X = np.random.default_rng(3).normal(size=(40, 3)).astype(np.float32)


def first(value: float) -> np.ndarray:
    rows = X.copy()
    rows[0, 0] = value
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return served_bessel(tmp_path_factory.mktemp("worker") / "1")


@pytest.fixture(scope="module")
def worker(folder: Path) -> Iterator[WorkerRuntime]:
    runtime = open_runtime(folder, threads=1, limits=LIMITS)
    assert isinstance(runtime, WorkerRuntime)
    yield runtime
    runtime.close()


def right(worker: WorkerRuntime) -> bool:
    return bool(np.allclose(worker.run({"x": X}, timeout=60)["output"], bessel(X), atol=1e-5))


def test_answers(worker: WorkerRuntime) -> None:
    assert worker.platform == "pytorch_libtorch"
    assert worker.batched
    assert worker.inputs[0].shape == (-1, 3)
    assert right(worker)
    assert list(worker.run({"x": X}, ["output"])) == ["output"]


def test_many_rows_and_many_threads(worker: WorkerRuntime) -> None:
    rows = np.random.default_rng(4).normal(size=(100_000, 3)).astype(np.float32)
    expected = bessel(rows[::1000])
    with ThreadPoolExecutor(4) as pool:
        for given in pool.map(lambda _: worker.run({"x": rows}, timeout=60)["output"], range(8)):
            assert np.allclose(given[::1000], expected, atol=1e-5)


def test_a_failure_is_told_and_the_worker_lives(worker: WorkerRuntime) -> None:
    pid = worker.pid
    with pytest.raises(ModelFailedError, match=r"the model failed on this input: .*too large"):
        worker.run({"x": first(31)}, timeout=60)
    with pytest.raises(ModelFailedError, match="the model failed on this input"):
        worker.run({"x": first(-100)}, timeout=60)  # as much memory as there is not
    assert right(worker)
    assert worker.pid == pid


def test_a_type_that_no_model_takes(worker: WorkerRuntime) -> None:
    with pytest.raises(BadRequestError, match="x is of the type complex64"):
        worker.run({"x": X.astype(np.complex64)})


def test_killed_in_the_middle_of_a_run(worker: WorkerRuntime) -> None:
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(worker.run, {"x": first(100)}, timeout=60)
        busy = wait_until_busy(worker)
        os.kill(busy.pid, signal.SIGKILL)
        error = stuck.exception()
    assert isinstance(error, ModelFailedError)
    assert "the model's worker process died" in str(error)
    assert right(worker)


def test_killed_between_runs(worker: WorkerRuntime) -> None:
    assert worker.pid is not None
    os.killpg(worker.pid, signal.SIGKILL)
    with pytest.raises(ModelFailedError, match=r"worker process died \(by signal SIGKILL\)"):
        worker.run({"x": X}, timeout=60)
    assert right(worker)


def test_an_endless_run_is_killed(worker: WorkerRuntime) -> None:
    with pytest.raises(ModelTimeoutError, match=r"did not answer within 0\.5 s"):
        worker.run({"x": first(100)}, timeout=0.5)
    assert worker.pid is None
    assert right(worker)


def test_waiting_for_another_run_counts(worker: WorkerRuntime) -> None:
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(worker.run, {"x": first(100)}, timeout=60)
        wait_until_busy(worker)
        with pytest.raises(ModelTimeoutError, match=r"the model was busy for 0\.1 s"):
            worker.run({"x": X}, timeout=0.1)
        assert worker.pid is not None
        os.killpg(worker.pid, signal.SIGKILL)  # it would go on for ever
        assert isinstance(stuck.exception(60), ModelFailedError)
    assert right(worker)


def test_the_server_never_loads_the_framework(folder: Path) -> None:
    import subprocess

    code = f"""
import sys, numpy as np
from pathlib import Path
from mlaas4hep.inference.execution.opening import open_runtime
from mlaas4hep.inference.settings import Limits
runtime = open_runtime(Path({str(folder)!r}), threads=1, limits=Limits())
runtime.run({{"x": np.zeros((1, 3), np.float32)}}, timeout=60)
runtime.close()
print(sorted({{"torch", "tensorflow", "xgboost", "sklearn", "onnx"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_closed(folder: Path) -> None:
    runtime = WorkerRuntime(folder, threads=1, memory=LIMITS.conversion_memory, load_timeout=100)
    group = runtime.pid
    runtime.close()
    assert group is not None
    assert not psutil.pid_exists(group)
    with pytest.raises(ModelUnavailableError, match="has been unloaded"):
        runtime.run({"x": X})


def test_too_slow_to_load(folder: Path) -> None:
    with pytest.raises(ModelTimeoutError, match=r"did not answer within 0\.05 s"):
        WorkerRuntime(folder, threads=1, memory=LIMITS.conversion_memory, load_timeout=0.05)


def test_too_little_memory_to_load(folder: Path) -> None:
    with pytest.raises((ModelRefusedError, ModelFailedError)):
        WorkerRuntime(folder, threads=1, memory=200 * 2**20, load_timeout=100)


def test_damaged_model(tmp_path: Path) -> None:
    folder = served_bessel(tmp_path / "1")
    (folder / "original" / "model.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelRefusedError, match="cannot be loaded by TorchScript"):
        WorkerRuntime(folder, threads=1, memory=LIMITS.conversion_memory, load_timeout=100)


def wait_until_busy(worker: WorkerRuntime) -> psutil.Process:
    """The process that computes, once it does."""
    given_up = threading.Event()
    while not given_up.wait(0.02):
        for process in psutil.Process(worker.pid).children(recursive=True) or [psutil.Process(worker.pid)]:
            if process.cpu_percent(0.05) > 50:
                return process
    raise AssertionError
