"""Processes that are started, started again and stopped, without a server in them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mlaas4hep.errors import ConfigError
from mlaas4hep.web.processes.supervisor import Supervisor
from tests.support.serve_process import ROOT


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'src'}")


def supervise(folder: Path, kind: str, ready: Callable[[], None], patience: float = 30.0) -> int:
    """Run two processes until this one is told to stop; the exit code."""
    module = "tests.support.small_worker"
    supervisor = Supervisor(module, {"kind": kind}, 2, folder, patience, ready, lambda: None)
    return asyncio.run(asyncio.wait_for(supervisor.run(), 60))


def numbers(folder: Path) -> dict[str, int]:
    """The number of the process of each worker."""
    return {file.name: int(file.read_text() or 0) for file in folder.iterdir()}


def test_one_that_was_killed_is_replaced_under_its_name(tmp_path: Path) -> None:
    first: dict[str, int] = {}

    def ready() -> None:
        first.update(numbers(tmp_path))
        os.kill(first["0"], signal.SIGKILL)
        asyncio.get_running_loop().call_soon(stop_once_replaced)

    def stop_once_replaced() -> None:
        if numbers(tmp_path)["0"] in (0, first["0"]):
            asyncio.get_running_loop().call_later(0.02, stop_once_replaced)
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    assert supervise(tmp_path, "good", ready) == 0
    second = numbers(tmp_path)
    assert set(first) == set(second) == {"0", "1"}
    assert second["0"] != first["0"]
    assert second["1"] == first["1"]
    assert not any(psutil.pid_exists(number) for number in (*first.values(), *second.values()))


def test_one_that_cannot_start_is_told_by_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it cannot start"):
        supervise(tmp_path, "failing", lambda: pytest.fail("not all are ready"))
    assert not any(psutil.pid_exists(number) for number in numbers(tmp_path).values())


def test_those_that_do_not_stop_are_killed(tmp_path: Path) -> None:
    assert supervise(tmp_path, "stubborn", lambda: os.kill(os.getpid(), signal.SIGTERM), patience=0.5) == 1
    assert not any(psutil.pid_exists(number) for number in numbers(tmp_path).values())
