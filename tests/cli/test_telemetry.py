"""Nothing leaves the machine by itself: no identifier of it is made, nobody is asked for an address."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Work

SOURCE = Path(__file__).parents[2] / "src"
TALK = re.compile(r"\b(?:connect|sendto|sendmsg|sendmmsg)\(.*AF_INET6?,.*")
LOOPBACK = ("127.0.0.1", '"::1"')


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, in which libraries would leave what they keep; nothing forbids them to."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(folder / name))
    monkeypatch.setenv("HOME", str(folder))
    return folder


def traced(folder: Path, *arguments: object, code: str | None = None) -> list[str]:
    """Run a command, or Python code, under strace to its end, `serve` until it serves; what it said to others."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("there is no strace")
    trace = folder / "trace"
    program = ["-c", code] if code else ["-m", "mlaas4hep.cli.main", *map(str, arguments)]
    process = subprocess.Popen(
        [strace, "-f", "-e", "trace=network", "-o", str(trace), sys.executable, *program],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if "serve" in arguments:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("serving ")
            child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
            os.kill(int(child), signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    if "ptrace" in errors:
        pytest.skip("no process can be traced here")
    assert process.returncode == 0, errors
    return [
        line for line in trace.read_text().splitlines() if TALK.search(line) and not any(a in line for a in LOOPBACK)
    ]


def kept(home: Path) -> set[str]:
    return {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}


def test_the_runtime_alone_would_keep_an_identifier_or_is_as_quiet(home: Path, tmp_path: Path) -> None:
    """Shows that the other tests look at the right place: with our package it is off, before the library is loaded."""
    code = "import mlaas4hep, os, onnxruntime; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    assert traced(tmp_path, code=code) == []
    assert not {name for name in kept(home) if "icrosoft" in name or "deviceid" in name}


@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "serve"])
def test_a_command_talks_to_nobody(work: Work, trained: Path, home: Path, tmp_path: Path, command: str) -> None:
    data = work.inputs / "sig.root"
    models = tmp_path / "models"
    shutil.copytree(trained, models / "small" / "1")
    arguments: dict[str, list[object]] = {
        "train": [*work.legacy()],
        "predict": ["predict", trained, data, "-o", work.outputs / "scores.csv"],
        "evaluate": ["evaluate", trained, "--files", data, "--labels", work.write("labels.txt", "signal\n")],
        "serve": ["serve", "--repository", models, "--port", "0", "--grpc-port", "0"],
    }
    assert traced(tmp_path, *arguments[command]) == []
    assert not {name for name in kept(home) if "icrosoft" in name or "deviceid" in name}
